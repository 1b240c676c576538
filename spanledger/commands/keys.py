"""`spanledger keys`: keys for the `projects` extension, in its configuration or in a store."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import click
import msgspec

from spanledger.commands.options import config_options

if TYPE_CHECKING:
    from spanledger.exporters.keys import StoredKey
    from spanledger.exporters.store import StoreAdmin

_Run: TypeAlias = Callable[[Callable[["StoreAdmin"], Coroutine[Any, Any, Any]]], Any]
"""Does something with a store, and returns what it gives."""


@click.group()
def keys() -> None:
    """Keys of projects for the `projects` extension."""


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


@keys.command()
@click.argument("project", metavar="PROJECT")
@click.option("--role", type=click.Choice(["public", "private"]), default="public", show_default=True, help="What for.")
@click.option("--note", default="", metavar="TEXT", help="Whose it is, or where it is used.")
@click.option("--exporter", metavar="ID", help="Into the store of this exporter.")
@config_options
def add(
    project: str, role: str, note: str, exporter: str | None, files: tuple[str, ...], sets: tuple[str, ...]
) -> None:
    """Make a key of PROJECT, store its digest, and print the key once.

    Every `projects` extension with `store` knows it within its `check_interval`. Public keys send; private ones send,
    read and change.

    \b
    spanledger keys add shop --role public --note "web shop, production"
    """
    from spanledger.access.caller import Role
    from spanledger.access.keys import digest, new_key
    from spanledger.access.settings import ProjectSettings
    from spanledger.exporters.keys import StoredKey

    try:
        ProjectSettings(id=project)
    except ValueError:
        text = "expected at most 128 characters, none of them a space"
        raise click.BadParameter(text, param_hint="PROJECT") from None
    key = new_key(Role(role))
    kind: Literal["public", "private"] = "private" if role == "private" else "public"
    stored = StoredKey(
        project_id=project, digest=digest(key).hex(), role=kind, note=note[:200], changed_ns=time.time_ns()
    )
    with _store(files, sets, exporter) as run:
        run(lambda store: store.save_key(stored))
    click.echo(key)


@keys.command("ls")
@click.option("--project", metavar="ID", help="Of this project.")
@click.option("--json", "as_json", is_flag=True, help="JSON, for programs.")
@click.option("--exporter", metavar="ID", help="Of the store of this exporter.")
@config_options
def list_(
    project: str | None, as_json: bool, exporter: str | None, files: tuple[str, ...], sets: tuple[str, ...]
) -> None:
    """List the keys of a store: the beginning of their digests, not the keys.

    \b
    spanledger keys ls --project shop
    """
    with _store(files, sets, exporter) as run:
        found: list[StoredKey] = run(lambda store: store.keys())
    found = [key for key in found if project in (None, key.project_id)]
    if as_json:
        click.echo(json.dumps([msgspec.to_builtins(key) for key in found], indent=2))
        return
    for key in found:
        at = time.strftime("%Y-%m-%d %H:%M", time.gmtime(key.changed_ns / 1e9))
        state = "revoked" if key.revoked else key.role
        click.echo(f"{key.digest[:12]}  {state:<7}  {at}  {key.project_id}  {key.note}".rstrip())


@keys.command()
@click.argument("which", metavar="KEY")
@click.option("--exporter", metavar="ID", help="Of the store of this exporter.")
@config_options
def revoke(which: str, exporter: str | None, files: tuple[str, ...], sets: tuple[str, ...]) -> None:
    """Let KEY, or the key whose digest begins so, in no more.

    It holds within the `check_interval` of each `projects` extension; while the store is away, as soon as it is back.

    \b
    spanledger keys revoke 3fd0b61c5a9e
    """
    from spanledger.access.keys import digest

    with _store(files, sets, exporter) as run:
        known: list[StoredKey] = run(lambda store: store.keys())
        whole = digest(which).hex()
        found = [key for key in known if key.digest == whole or (len(which) >= 8 and key.digest.startswith(which))]
        if len(found) != 1:
            text = "no key of the store is that" if not found else "several digests begin so; give more of it"
            raise click.ClickException(text)
        gone = msgspec.structs.replace(found[0], revoked=True, changed_ns=time.time_ns())
        run(lambda store: store.save_key(gone))
    click.echo(f"revoked {gone.digest[:12]} of project {gone.project_id}")


@contextmanager
def _store(files: tuple[str, ...], sets: tuple[str, ...], exporter: str | None) -> Iterator[_Run]:
    """What works with the store that holds the keys: that of the `projects` extension unless said otherwise."""
    import asyncio

    from spanledger.access.settings import ProjectsSettings
    from spanledger.commands.stores import admins, one_process
    from spanledger.config import Kind, load_config
    from spanledger.config.rules import used

    config = load_config(files, sets)
    if exporter is None:
        extensions = used(config, Kind.EXTENSIONS).values()
        named = {one.store for one in extensions if isinstance(one, ProjectsSettings) and one.store is not None}
        exporter = named.pop() if len(named) == 1 else None
    stores = admins(config, exporter)
    if len(stores) != 1:
        raise click.BadParameter(f"which store? (there are: {', '.join(stores)})", param_hint="--exporter")
    (store,) = stores.values()

    async def working(work: Callable[[StoreAdmin], Coroutine[Any, Any, Any]]) -> Any:
        try:
            await store.start()
            return await work(store)
        finally:
            await store.close()

    with one_process():
        yield lambda work: asyncio.run(working(work))
