"""`spanledger keys`: make keys for the `projects` extension."""

from __future__ import annotations

import json

import click


@click.group()
def keys() -> None:
    """Make keys of projects for the `projects` extension."""


@keys.command()
@click.argument("project", metavar="PROJECT")
@click.option("--json", "as_json", is_flag=True, help="JSON, for programs.")
def new(project: str, as_json: bool) -> None:
    """Make a public and a private key of PROJECT and print them once.

    What belongs into the configuration holds digests only: nobody gets a key out of it.

    \b
    spanledger keys new shop
    """
    from spanledger.access.caller import Role
    from spanledger.access.keys import new_key, show_digest
    from spanledger.access.settings import ProjectSettings

    try:
        ProjectSettings(id=project)
    except ValueError:
        text = "expected at most 128 characters, none of them a space"
        raise click.BadParameter(text, param_hint="PROJECT") from None
    made = {role: new_key(role) for role in Role}
    entry = {"id": project, **{f"{role}_keys": [show_digest(key)] for role, key in made.items()}}
    if as_json:
        click.echo(json.dumps({"project": entry, **{f"{role}_key": key for role, key in made.items()}}, indent=2))
        return
    import yaml

    click.echo("Keys, shown this once:")
    click.echo(f"  public   {made[Role.PUBLIC]}   sends telemetry")
    click.echo(f"  private  {made[Role.PRIVATE]}   sends, reads and changes")
    click.echo("\nFor extensions::projects::projects of the configuration, or the file that it names:\n")
    click.echo(yaml.safe_dump([entry], sort_keys=False, width=200), nl=False)
