from typing import Any

def column(records: list[Any], group: str, leaf: str | None, type_name: str, optional: bool) -> list[Any] | None:
    """`regular` of an attribute of each record, or of that attribute's own attribute `leaf` where it is not None."""

def regular(values: list[Any], type_name: str, optional: bool) -> list[Any] | None:
    """What `spanledger.exporters.values.column_values` makes of the values of a column of this logical type, or None
    where it must be asked itself: a value is not in order, or the type is not known here."""

def filled(values: list[Any], missing: object) -> list[Any]:
    """The values with `missing` in the place of None."""

def has_empty(values: list[Any]) -> bool:
    """Whether one of them is an empty text."""
