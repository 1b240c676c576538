"""What of the content is kept, and that nothing else changes."""

from __future__ import annotations

import re

import pytest

from spanledger.mapping import CapturePolicy
from spanledger.model.records import Run, RunError, Usage


def make_run(**fields: object) -> Run:
    defaults: dict[str, object] = {
        "project_id": "default",
        "run_id": "00000000-0000-8000-8000-000000000001",
        "type": "llm",
        "started_at": 1,
        "input": [{"role": "user", "parts": [{"type": "text", "content": "My key is sk-abcdef"}]}],
        "output": [{"role": "assistant", "parts": [{"type": "text", "content": "Keep it secret."}]}],
        "usage": Usage(input_tokens=5, output_tokens=4),
        "tokens_per_second": 80.0,
        "attributes": {"short": "kept", "long": "x" * 500, "number": 7},
    }
    return Run(**{**defaults, **fields})  # type: ignore[arg-type]


def test_always_keeps_everything() -> None:
    run, before = make_run(), make_run()

    CapturePolicy().apply(run)

    assert run == before


def test_never_keeps_counts_and_timing_but_no_content() -> None:
    run = make_run()

    CapturePolicy(content="never").apply(run)

    assert (run.input, run.output) == (None, None)
    assert run.attributes == {"short": "kept", "number": 7}
    assert run.usage == Usage(input_tokens=5, output_tokens=4)
    assert run.tokens_per_second == 80.0
    assert run.warnings == ["content_not_captured"]


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"metadata": {"observability": "true"}}, True),
        ({"attributes": {"observability": True}}, True),
        ({"metadata": {"observability": "false"}}, False),
        ({}, False),
    ],
)
def test_opt_in_keeps_content_only_where_the_span_asks(fields: dict[str, object], kept: bool) -> None:
    run = make_run(**fields)

    CapturePolicy(content="opt_in").apply(run)

    assert (run.output is not None) is kept


def test_a_pattern_is_blacked_out_wherever_text_is_kept() -> None:
    run = make_run(error=RunError(message="bad key sk-abcdef"), metadata={"key": "sk-abcdef"})

    CapturePolicy(redact=(re.compile(r"sk-\w+"),)).apply(run)

    assert run.input == [{"role": "user", "parts": [{"type": "text", "content": "My key is [redacted]"}]}]
    assert run.error == RunError(message="bad key [redacted]")
    assert run.metadata == {"key": "[redacted]"}
    assert run.warnings == ["redacted:input", "redacted:metadata"]


def test_long_texts_are_cut_at_a_character_and_marked() -> None:
    run = make_run(output=[{"role": "assistant", "parts": [{"type": "text", "content": "ääää"}]}])

    CapturePolicy(max_bytes=5).apply(run)

    assert run.output == [{"role": "assistant", "parts": [{"type": "text", "content": "ää…"}]}]
    assert "content_cut:output" in run.warnings


def test_values_shared_with_the_trace_memory_stay_as_they_are() -> None:
    run = make_run()
    shared = run.input

    CapturePolicy(redact=(re.compile("key"),), max_bytes=4).apply(run)

    assert shared == [{"role": "user", "parts": [{"type": "text", "content": "My key is sk-abcdef"}]}]
