"""`spanledger delete`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from spanledger.commands.options import config_options

if TYPE_CHECKING:
    from spanledger.config import Config
    from spanledger.exporters.store import Deletion, StoreAdmin


@click.command()
@click.option("--project", required=True, metavar="ID", help="Project of what is deleted, or the project itself.")
@click.option("--run", "run_id", metavar="ID", help="This run.")
@click.option("--user", "user_id", metavar="ID", help="All runs of this user.")
@click.option("--everything", is_flag=True, help="The whole project; its keys in the stores are revoked.")
@click.option("--keep-keys", is_flag=True, help="With --everything: who has a key may go on to send.")
@click.option("--exporter", metavar="ID", help="Only from the store of this exporter.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_options
def delete(
    project: str,
    run_id: str | None,
    user_id: str | None,
    everything: bool,
    keep_keys: bool,
    exporter: str | None,
    yes: bool,
    files: tuple[str, ...],
    sets: tuple[str, ...],
) -> None:
    """Delete a run, all runs of a user, or a project, for good: from every store of the configuration and from the dead
    letters.

    Payloads, previews and scores go with their runs, of a user the threads, of a project everything. A run that was
    deleted stays deleted, even if its sender repeats it. With a project go its keys: those that stand in the store are
    revoked first, those of the configuration and of files are yours to take out. It cannot be undone.

    What waits in a durable log for the store is deleted when it arrives there: the deletion is noted in the store, and
    holds for all that was received before it.

    A ledger in the embedded engine can be used by one process at a time: stop `spanledger serve` first.

    \b
    spanledger delete --project default --run 0f3a9c12-6e8d-8a51-9c7b-2f4e6a8c0d1e
    spanledger delete --project default --user ada@example.com --yes
    """
    import asyncio

    from spanledger.commands.stores import admins, one_process
    from spanledger.config import load_config
    from spanledger.exporters.store import Deletion

    if [run_id is not None, user_id is not None, everything].count(True) != 1:
        raise click.UsageError("one of --run, --user and --everything says what is to be deleted")
    if keep_keys and not everything:
        raise click.UsageError("--keep-keys goes with --everything: keys belong to the project")
    if "" in (run_id, user_id):
        raise click.UsageError("an empty id names nothing")
    config = load_config(files, sets)
    for warning in config.warnings:
        click.echo(f"Warning: {warning}", err=True)
    what = Deletion(project, run_id, user_id)
    stores = admins(config, exporter)
    if not yes:
        named = f"run {run_id}" if run_id else f"all runs of user {user_id}" if user_id else "everything"
        places = ", ".join(store.where for store in stores.values())
        click.confirm(f"Delete {named} of project {project} from {places}?", abort=True, err=True)
    with one_process():
        asyncio.run(_from_stores(stores, what, with_keys=everything and not keep_keys))
    _from_logs(config, what)


async def _from_stores(stores: dict[str, StoreAdmin], what: Deletion, *, with_keys: bool) -> None:
    for name, store in stores.items():
        try:
            await store.start()
            if with_keys and (revoked := await _revoke(store, what.project_id)):
                click.echo(f"{name}: revoked {revoked:,} keys")
            click.echo(f"{name}: deleted {await store.delete(what):,} runs")
        finally:
            await store.close()


async def _revoke(store: StoreAdmin, project_id: str) -> int:
    """Nobody sends to a project that is gone; how many keys that are. Their digests stay in the table, as
    those of `spanledger keys revoke` do; their notes go."""
    import msgspec

    found = [key for key in await store.keys() if key.project_id == project_id and not key.revoked]
    for key in found:
        await store.save_key(msgspec.structs.replace(key, revoked=True, note="", changed_ns=time.time_ns()))
    return len(found)


def _from_logs(config: Config, what: Deletion) -> None:
    """Dead letters go. What waits is left out by the stores."""
    from spanledger.commands.queue_list import letters
    from spanledger.config.pipeline import pipeline_settings
    from spanledger.pipeline.dead_letters import LetterFilter
    from spanledger.pipeline.directories import log_directories
    from spanledger.pipeline.erasure import is_about
    from spanledger.pipeline.letter_box import LetterBox
    from spanledger.pipeline.settings import Durability

    settings = pipeline_settings(config)
    if settings.durability is Durability.MEMORY:
        return
    for directory in log_directories(settings.log.directory):
        found = [
            one.id
            for one in letters(directory, LetterFilter(project_id=what.project_id))
            if is_about(one.letter, what.project_id, what.run_id, what.user_id)
        ]
        if found:
            box = LetterBox(directory, 0, owner=False)
            try:
                box.remove(found)
            finally:
                box.close()
            click.echo(f"deleted {len(found):,} dead letters")
