"""Which dead letters are about something that is to be deleted."""

from __future__ import annotations

from typing import Any

import msgspec

from spanledger.model.ids import run_id_of_span
from spanledger.pipeline.dead_letters import DeadLetter, LetterKind


def is_about(letter: DeadLetter, project_id: str, run_id: str | None = None, user_id: str | None = None) -> bool:
    """Whether a letter is about a run, a user, or with neither about the project.

    A letter is undeliverable for some reason, so what it says is not relied on more than needed: of a user is every
    letter of the project that names the user anywhere, and a body that cannot be read tells of no single run.
    """
    if letter.project_id != project_id:
        return False
    if user_id is not None:
        quoted = msgspec.json.encode(user_id.encode("utf-8", "replace").decode())[1:-1]
        return bool(user_id) and (user_id.encode("utf-8", "replace") in letter.content or quoted in letter.content)
    if run_id is None:
        return True
    if letter.kind is LetterKind.ENTRY:
        return False
    try:
        fields: Any = msgspec.json.decode(letter.content)
    except msgspec.MsgspecError:
        return False
    if not isinstance(fields, dict):
        return False
    if fields.get("run_id") == run_id:
        return True
    trace_id, span_id = fields.get("trace_id"), fields.get("span_id")
    if not isinstance(trace_id, str) or not isinstance(span_id, str):
        return False
    return run_id_of_span(project_id, trace_id, span_id) == run_id
