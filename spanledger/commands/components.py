"""`spanledger components`."""

from __future__ import annotations

from typing import Any

import click

from spanledger._version import __version__


@click.command()
def components() -> None:
    """List every component type that a configuration may name, as YAML.

    \b
    spanledger components
    """
    import yaml

    from spanledger import compiled
    from spanledger.config.components import Kind
    from spanledger.config.registry import COMPONENTS
    from spanledger.receiver.wire import COMPILED

    built = {
        "command": "spanledger",
        "version": __version__,
        "decoder": "compiled" if COMPILED else "plain",
        "mapping": "compiled" if compiled.in_use() else "plain",
    }
    listed: dict[str, Any] = {"buildinfo": built}
    for kind in Kind:
        listed[kind] = [
            {"name": component.type, "signals": [str(s) for s in component.signals], "summary": component.summary}
            for component in COMPONENTS[kind].values()
        ]
    listed["providers"] = [{"scheme": scheme} for scheme in ("env", "file", "yaml")]
    plain = {str(key): value for key, value in listed.items()}
    click.echo(yaml.safe_dump(plain, sort_keys=False, width=120), nl=False)
