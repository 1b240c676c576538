"""Write the expected records of the payloads in tests/corpus anew: `python -m tests.mapping.goldens`.

Look at the difference before you commit it: each line is something that a ledger somewhere will show differently.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import spanledger
from tests.mapping.recordings import KEPT, case_files

EXPECTED = "records.json"


def kept_cases() -> list[Path]:
    return sorted(path for path in KEPT.iterdir() if path.is_dir())


def records_of(case: Path) -> list[dict[str, Any]]:
    """The records of a case without what is empty, sorted so that a difference shows where it is."""
    records = spanledger.map_files(case_files(case))
    told = [_without_empty(record) for record in records]
    kinds = ("run", "score", "thread", "metric")
    told.sort(
        key=lambda record: (kinds.index(record["record"]), record.get("started_at", ""), record.get("span_id", ""))
    )
    whole: list[dict[str, Any]] = json.loads(json.dumps(told))
    return whole


def _without_empty(record: dict[str, Any]) -> dict[str, Any]:
    told = {name: value for name, value in record.items() if value not in (None, "", [], {})}
    for name in ("usage", "cost"):
        if name in told:
            told[name] = _without_empty(told[name])
    return told


def main() -> None:
    for case in kept_cases():
        text = json.dumps(records_of(case), indent=1, ensure_ascii=False)
        (case / EXPECTED).write_text(text + "\n")


if __name__ == "__main__":
    main()
