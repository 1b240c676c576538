"""The commands of `spanledger`. Each module loads what it needs when it runs."""
