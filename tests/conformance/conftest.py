"""The OTLP specification, line by line: real clients against a running receiver."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.conformance.otlp_client import Served, serving


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as found:
        yield found
