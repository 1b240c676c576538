"""What real SDKs sent, one recording of each family, and the records that it makes: read them as documentation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.mapping.goldens import EXPECTED, kept_cases, records_of


@pytest.mark.parametrize("case", kept_cases(), ids=lambda case: case.name)
def test_the_records_of_a_recording(case: Path) -> None:
    expected = json.loads((case / EXPECTED).read_text())
    assert records_of(case) == expected, "if this is meant: python -m tests.mapping.goldens"


def test_every_family_of_dialects_is_there() -> None:
    assert [case.name for case in kept_cases()] == [
        "ai-sdk-v5",
        "ai-sdk-v6",
        "ai-sdk-v7",
        "langfuse",
        "langsmith",
        "logfire",
        "lunary-sdk",
        "mastra",
        "openinference-openai",
        "openlit",
        "otel-genai-openai",
        "plain-otel",
        "pydantic-ai",
        "pydantic-ai-1",
        "strands",
        "traceloop-openai",
    ]
