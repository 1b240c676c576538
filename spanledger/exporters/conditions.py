"""Conditions on runs as a tree, the same for every store: the API builds them from parameters, bodies and filter
trees of its clients; each store turns them into its SQL (`exporters.*.conditions`).

Logic has two values: what compares with an unknown fact is false, and `Not` of that is true. Text compares by code
point; `contains` ignores the case of ASCII letters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Final, TypeAlias

from spanledger.exporters.values import is_uuid, pico


class Op(StrEnum):
    """How a fact compares with a value."""

    EQ = "="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    CONTAINS = "contains"
    EXISTS = "exists"
    """The fact is known; the value is not looked at."""


class Kind(Enum):
    """What a fact is, for those who compare it."""

    TEXT = "text"
    UUID = "uuid"
    COUNT = "count"
    TIME = "time"
    MONEY = "money"
    FLAG = "flag"


FIELDS: Final = {
    "run_id": Kind.UUID,
    "parent_run_id": Kind.UUID,
    "trace_id": Kind.TEXT,
    "external_id": Kind.TEXT,
    "type": Kind.TEXT,
    "name": Kind.TEXT,
    "span_name": Kind.TEXT,
    "status": Kind.TEXT,
    "error_type": Kind.TEXT,
    "error_message": Kind.TEXT,
    "provider": Kind.TEXT,
    "request_model": Kind.TEXT,
    "model": Kind.TEXT,
    "response_id": Kind.TEXT,
    "user_id": Kind.TEXT,
    "session_id": Kind.TEXT,
    "environment": Kind.TEXT,
    "release": Kind.TEXT,
    "service_name": Kind.TEXT,
    "source": Kind.TEXT,
    "prompt_name": Kind.TEXT,
    "prompt_version": Kind.TEXT,
    "input_preview": Kind.TEXT,
    "output_preview": Kind.TEXT,
    "started_at": Kind.TIME,
    "duration_ns": Kind.COUNT,
    "ttft_ns": Kind.COUNT,
    "input_tokens": Kind.COUNT,
    "output_tokens": Kind.COUNT,
    "cost": Kind.MONEY,
    "billable": Kind.FLAG,
}
"""Facts that can be compared: columns of the table of runs."""
TOTAL_TOKENS: Final = "total_tokens"
"""Input and output together; unknown when both are."""
SEARCHED: Final = (
    "name",
    "span_name",
    "model",
    "user_id",
    "session_id",
    "error_message",
    "input_preview",
    "output_preview",
)
"""Where a search looks."""


@dataclass(frozen=True, slots=True)
class Compare:
    """A fact against a value: text for texts and ids, int for counts, times (nanoseconds) and flags, Decimal (USD) for
    cost. Several values of `=` need one that is equal, of `!=` none; texts only."""

    field: str
    op: Op
    value: str | int | Decimal | Sequence[str] = 0

    @property
    def kind(self) -> Kind:
        """What the fact is."""
        return Kind.COUNT if self.field == TOTAL_TOKENS else FIELDS[self.field]

    def texts(self) -> list[str]:
        """The values of a comparison of texts or ids. Raises `TypeError` for numbers."""
        if isinstance(self.value, int | Decimal):
            raise TypeError(f"{self.field} compares with text, not {type(self.value).__name__}")
        return [self.value] if isinstance(self.value, str) else list(self.value)

    def ids(self) -> list[str]:
        """Those of the texts that can be the id of a run, as stores write them."""
        return [text.lower() for text in self.texts() if len(text) == 36 and is_uuid(text)]

    def number(self) -> int:
        """The value of any other comparison as stores hold it: money as 1e-12 USD. Raises `TypeError` for texts."""
        if not isinstance(self.value, int | Decimal):
            raise TypeError(f"{self.field} compares with a number, not {type(self.value).__name__}")
        return pico(self.value) if self.kind is Kind.MONEY else int(self.value)


@dataclass(frozen=True, slots=True)
class Tagged:
    """Has the tag."""

    tag: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """A key of the metadata against a text, or that it is there (`EXISTS`); `EQ`, `NE` and `CONTAINS` besides."""

    key: str
    op: Op
    value: str = ""


@dataclass(frozen=True, slots=True)
class Scored:
    """Has a score of this name whose value compares so: texts with `EQ`, numbers and booleans (as 0 and 1) with all,
    `EXISTS` with any value at all. A score without a value was taken back and is none."""

    name: str
    op: Op
    value: str | float = 0.0


@dataclass(frozen=True, slots=True)
class All:
    """Every condition holds; true without any."""

    of: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one condition holds; false without any."""

    of: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold."""

    of: Condition


Condition: TypeAlias = Compare | Tagged | Labelled | Scored | All | Some | Not

MAX_CONDITIONS: Final = 200
"""Nodes of a tree: beyond, a statement costs more to plan than to run."""


def search(text: str) -> Condition:
    """Runs where a text stands in one of the facts that lists show, or whose id or trace it is."""
    places: list[Condition] = [Compare(field, Op.CONTAINS, text) for field in SEARCHED]
    return Some((*places, Compare("trace_id", Op.EQ, text), Compare("run_id", Op.EQ, text)))


def looks_into_texts(condition: Condition | None) -> bool:
    """Whether texts are searched, which no index does."""
    match condition:
        case All(of) | Some(of):
            return any(map(looks_into_texts, of))
        case Not(inner):
            return looks_into_texts(inner)
        case Compare(op=Op.CONTAINS) | Labelled(op=Op.CONTAINS):
            return True
        case _:
            return False


def size(condition: Condition) -> int:
    """Nodes of a tree."""
    match condition:
        case All(of) | Some(of):
            return 1 + sum(map(size, of))
        case Not(inner):
            return 1 + size(inner)
        case _:
            return 1
