"""Sums over everything, by a fact and over time from one statement each, for stores that know no shorter way."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Final, Protocol

from spanledger.exporters.conditions import All, Compare, Condition, Op, Some, Tagged
from spanledger.exporters.store import Breakdown, By, Group, Grouping, GroupSort, RunFilter

MAX_SERIES: Final = 200_000
"""Groups of a series that are given at once."""
_COLUMNS: Final = {By.USER: "user_id", By.SESSION: "session_id", By.SERVICE: "service_name"}
"""Where the column is not called as the fact."""


class Groups(Protocol):
    """`spanledger.exporters.store.RunStore.groups`."""

    async def __call__(self, filter_: RunFilter, grouping: Grouping) -> list[Group]: ...


async def breakdown(groups: Groups, filter_: RunFilter, by: By | None, bucket_ns: int | None, top: int) -> Breakdown:
    """See `RunStore.breakdown`."""
    everything = groups(filter_, Grouping(latency=True, people=False))
    if by is None:
        whole, found = await everything, list[Group]()
    else:
        whole, found = await asyncio.gather(everything, groups(filter_, dearest(by, top)))
    return Breakdown(whole[0] if whole else None, found, await series(groups, filter_, by, bucket_ns, found))


def dearest(by: By, top: int) -> Grouping:
    """The values of a fact with the most cost."""
    return Grouping(by, sort=GroupSort.COST, descending=True, limit=top, latency=True, people=False)


async def series(
    groups: Groups, filter_: RunFilter, by: By | None, bucket_ns: int | None, kept: Sequence[Group]
) -> list[Group]:
    """The groups by interval, those of the values that are kept."""
    if bucket_ns is None or (by is not None and not kept):
        return []
    shown = Grouping(by, bucket_ns, limit=MAX_SERIES, latency=True, people=False)
    if by is None:
        return await groups(filter_, shown)
    keys = [str(group.key) for group in kept]
    found = await groups(narrowed(filter_, by, keys), shown)
    return [group for group in found if group.key in keys]


def narrowed(filter_: RunFilter, by: By, keys: Sequence[str]) -> RunFilter:
    """The runs of some values of a fact alone; those that the filter names already stay, for both must hold."""
    if by is By.TAG:
        held: Condition = Some(tuple(Tagged(key) for key in keys))
    else:
        held = Compare(_COLUMNS.get(by, str(by)), Op.EQ, tuple(keys))
    if by is By.USER and not filter_.users:
        return dataclasses.replace(filter_, users=tuple(keys))
    if by is By.SESSION and not filter_.sessions:
        return dataclasses.replace(filter_, sessions=tuple(keys))
    return dataclasses.replace(filter_, where=held if filter_.where is None else All((filter_.where, held)))
