"""Who may do what: keys, the projects that they belong to, how much a project may send, and what was refused."""
