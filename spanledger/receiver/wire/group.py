"""What the items of one scope share."""

from __future__ import annotations

from dataclasses import dataclass

from spanledger.model.span import Resource, Scope


@dataclass(frozen=True, slots=True)
class Group:
    """The resource and scope that the items of a group point to. The objects are shared, never copied."""

    resource: Resource
    scope: Scope
    repairs: list[str]
    """What was mended in resource and scope; every item of the group carries it too."""
