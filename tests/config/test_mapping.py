"""`service::mapping`: what it becomes, and the exact text that answers each mistake."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from spanledger.config import default_text, load_config
from spanledger.config.show import to_yaml
from spanledger.mapping import CapturePolicy, MemoryLimits
from spanledger.mapping.cost import Call
from spanledger.model.records import Cost, Usage
from tests.config.conftest import MINIMAL, Load, Mistakes

MAPPING = MINIMAL + "  mapping:\n"
"""What follows it stands in line 13."""
NEW_YEAR_NS = 1_767_225_600 * 10**9
"""2026-01-01T00:00:00Z"""


def price_of(load: Load, mapping: str, at_ns: int = NEW_YEAR_NS, reported: str | None = None) -> Cost:
    """The cost of a million tokens in, under `service::mapping` as given."""
    call = Call("openai", "gpt-4o", None, Usage(input_tokens=1_000_000, output_tokens=0), at_ns)
    call.reported = None if reported is None else Decimal(reported)
    return load(MAPPING + mapping).mapping.price_list().cost(call)


def test_without_the_section_everything_is_kept_and_the_mappers_own_limits_hold(load: Load) -> None:
    mapping = load(MINIMAL).mapping
    assert mapping.capture() is None
    assert mapping.limits() == MemoryLimits()
    assert mapping.price_list().cost(Call("openai", "gpt-4o", None, Usage(input_tokens=2), 0)).source == "partial"


def test_the_capture_policy(load: Load) -> None:
    text = "    content: opt_in\n    max_content_bytes: 64\n    redact: ['sk-\\w+', '(?i)password: \\S+$']\n"
    assert load(MAPPING + text).mapping.capture() == CapturePolicy(
        content="opt_in", max_bytes=64, redact=(re.compile(r"sk-\w+"), re.compile(r"(?i)password: \S+$"))
    )


def test_the_bounds_of_the_trace_memory(load: Load) -> None:
    text = "    memory: {max_items: 10, max_items_per_trace: 5, max_bytes: 1000, max_age: 1m30s}\n"
    assert load(MAPPING + text).mapping.limits() == MemoryLimits(10, 5, 1000, 90_000_000_000)


PRICE = """\
    prices:
      - id: contract
        provider: openai
        model: gpt-4o(-.*)?
        start: 2026-01-01
        end: 2026-07-01T00:00:00+02:00
        rates: {input: 2.0000000001, output: 8}
        units: {requests: 0.5}
        batch_multiplier: 0.5
        priority: 3
"""


@pytest.mark.parametrize(
    ("at_ns", "source", "total"),
    [
        (NEW_YEAR_NS - 1, "priced", "2.5"),
        (NEW_YEAR_NS, "override", "2.5000000001"),
        (NEW_YEAR_NS + (181 * 24 - 2) * 3600 * 10**9, "priced", "2.5"),
    ],
    ids=["before its start", "from its start", "from its end"],
)
def test_a_price_holds_in_its_time(at_ns: int, source: str, total: str, load: Load) -> None:
    cost = price_of(load, PRICE, at_ns)
    assert (cost.source, cost.total) == (source, Decimal(total))


@pytest.mark.parametrize(
    ("cost", "total"), [("reported", "0.07"), ("billed_only", "2.5"), ("computed", "2.5")], ids=lambda value: str(value)
)
def test_whose_cost_counts(cost: str, total: str, load: Load) -> None:
    assert price_of(load, f"    cost: {cost}\n", reported="0.07").total == Decimal(total)


def test_what_is_printed_can_be_loaded_and_means_the_same(load: Load) -> None:
    config = load(MAPPING + PRICE + "    redact: ['://\\S+@', '\\d+$']\n")
    printed = to_yaml(config)
    assert load(printed.replace("$", "$$")).mapping == config.mapping
    price = yaml.safe_load(printed)["service"]["mapping"]["prices"][0]
    assert price["rates"] == {"input": 2.0000000001, "output": 8}
    assert price["start"] == "2026-01-01T00:00:00Z"


def test_the_example_in_the_built_in_default_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "default.yaml"
    file.write_text(re.sub(r"^  # (?=mapping:|  )", "  ", default_text(), flags=re.MULTILINE))
    mapping = load_config([file], env={}).mapping
    assert (mapping.content, [price.id for price in mapping.prices]) == ("opt_in", ["contract-2026"])


def test_an_unknown_key(mistakes: Mistakes) -> None:
    assert mistakes(MAPPING + "    contents: never\n") == (
        "invalid configuration: 1 error\n"
        "c0.yaml:13:5: service::mapping::contents: 'service::mapping' has invalid keys: contents\n"
        "    found         contents\n"
        "    expected      one of content, cost, max_content_bytes, memory, prices, redact\n"
        "    did you mean  content"
    )


@pytest.mark.parametrize(
    ("line", "found", "expected", "guess"),
    [
        ("content: nevr", "nevr", "one of always, never, opt_in", "never"),
        ("content: false", "false", "one of always, never, opt_in", None),
        ("max_content_bytes: 63", "63", "at least 64", None),
        ("max_content_bytes: 1KB", "1KB", "a whole number", None),
        ("cost: billed", "billed", "one of reported, billed_only, computed", "billed_only"),
        ("redact: sk-.*", "sk-.*", "a list", None),
        ("prices: {}", "a map", "a list", None),
        ("memory: 5", "5", "a map", None),
    ],
)
def test_a_value_of_the_wrong_kind(line: str, found: str, expected: str, guess: str | None, mistakes: Mistakes) -> None:
    key = line.partition(":")[0]
    assert mistakes(MAPPING + f"    {line}\n") == (
        "invalid configuration: 1 error\n"
        f"c0.yaml:13:5: service::mapping::{key}: cannot be used\n"
        f"    found         {found}\n"
        f"    expected      {expected}" + (f"\n    did you mean  {guess}" if guess else "")
    )


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("(abc", "is no regular expression: missing ), unterminated subpattern at position 0"),
        ("[[a]", "is no regular expression: Possible nested set at position 1"),
        ("a{99999999999}", "is no regular expression: the repetition number is too large"),
        ("x*", "matches the empty text, so it would be found between all characters"),
        ("x" * 501, "has 501 characters, at most 500 are allowed"),
    ],
    ids=["broken", "doubtful", "too large", "empty", "too long"],
)
def test_a_pattern_that_cannot_be_used(pattern: str, complaint: str, mistakes: Mistakes) -> None:
    shown = pattern if len(pattern) <= 80 else pattern[:80] + "…"
    assert mistakes(MAPPING + f"    redact:\n      - fine\n      - '{pattern}'\n") == (
        f"invalid configuration: 1 error\nc0.yaml:15:9: service::mapping::redact::1: {complaint}\n"
        f"    found         {shown}"
    )


@pytest.mark.parametrize(
    ("line", "column", "complaint"),
    [
        ("max_itmes: 5", 7, "max_itmes: 'service::mapping::memory' has invalid keys: max_itmes"),
        ("max_items: 0", 7, "max_items: cannot be used"),
        ("max_age: 900", 7, "max_age: cannot be used"),
    ],
)
def test_a_bound_of_the_memory_that_cannot_be(line: str, column: int, complaint: str, mistakes: Mistakes) -> None:
    text = mistakes(MAPPING + f"    memory:\n      {line}\n")
    assert text.splitlines()[1] == f"c0.yaml:14:{column}: service::mapping::memory::{complaint}"


@pytest.mark.parametrize(
    ("line", "key", "complaint"),
    [
        ("rate: {input: 1}", "rate", "'service::mapping::prices::0' has invalid keys: rate\n"
         "    found         rate\n"
         "    expected      one of batch_multiplier, end, id, model, priority, provider, rates, start, units\n"
         "    did you mean  rates"),
        ("rates: {inptu: 1}", "rates::inptu", "'service::mapping::prices::0::rates' has invalid keys: inptu\n"
         "    found         inptu\n"
         "    expected      one of cache_audio_read, cache_read, cache_write, cache_write_1h, input, input_audio, "
         "input_image, input_video, output, output_audio, output_image, output_video, reasoning\n"
         "    did you mean  input"),
        ("rates: {input: cheap}", "rates::input", "cannot be used\n"
         "    found         cheap\n"
         "    expected      a number"),
        ("rates: {input: true}", "rates::input", "cannot be used\n"
         "    found         true\n"
         "    expected      a number"),
        ("rates: {input: -1}", "rates::input", "cannot be used\n"
         "    found         -1\n"
         "    expected      at least 0"),
        ("units: {citation_tokens: [1]}", "units::citation_tokens", "cannot be used\n"
         "    found         a list\n"
         "    expected      a number"),
        ("batch_multiplier: half", "batch_multiplier", "cannot be used\n"
         "    found         half\n"
         "    expected      a number"),
        ("model: 'gpt(4'", "model", "pattern 'gpt(4': missing ) (at character 6)\n"
         "    found         gpt(4"),
        ("model: '(?i)gpt'", "model", "pattern '(?i)gpt': only plain groups and (?:…) are supported, no lookaround, "
         "names or flags (at character 2)\n"
         "    found         (?i)gpt"),
        ("start: 2026", "start", "cannot be used\n"
         "    found         2026\n"
         "    expected      a date or a time, such as 2026-01-01 or 2026-01-01T09:00:00Z"),
        ("end: 2025-12-31", "end", "end 2025-12-31 00:00:00+00:00 is not after start 2026-01-01 00:00:00+00:00\n"
         "    found         2025-12-31"),
        ("priority: high", "priority", "cannot be used\n"
         "    found         high\n"
         "    expected      a whole number"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_price_is_shown_at_its_key(line: str, key: str, complaint: str, mistakes: Mistakes) -> None:
    good = {"id": "id: a", "model": "model: m", "start": "start: 2026-01-01", "rates": "rates: {input: 1}"}
    good[line.partition(":")[0]] = line
    text = "".join(f"        {entry}\n" for entry in good.values()).replace("        id", "      - id", 1)
    found = mistakes(MAPPING + "    prices:\n" + text)

    first, _, rest = found.partition("\n")[2].partition("\n")
    place, _, shown = first.partition(": service::mapping::prices::0::")
    assert f"{shown}\n{rest}" == f"{key}: {complaint}"
    written = (MAPPING + "    prices:\n" + text).splitlines()
    file, row, column = place.split(":")
    assert file == "c0.yaml"
    assert written[int(row) - 1][int(column) - 1 :].startswith(key.rpartition("::")[2])


@pytest.mark.parametrize(
    ("price", "complaint"),
    [
        ("{model: m, rates: {input: 1}}", 'missing key "id"'),
        ("{id: a, rates: {input: 1}}", 'missing key "model"'),
        ("{id: a, model: m}", "needs rates or units"),
    ],
)
def test_a_price_that_says_too_little(price: str, complaint: str, mistakes: Mistakes) -> None:
    assert mistakes(MAPPING + f"    prices:\n      - {price}\n") == (
        f"invalid configuration: 1 error\nc0.yaml:14:9: service::mapping::prices::0: {complaint}"
    )


def test_two_prices_of_one_id(mistakes: Mistakes) -> None:
    price = "      - {id: contract, model: m, rates: {input: 1}}\n"
    assert mistakes(MAPPING + "    prices:\n" + price + price) == (
        "invalid configuration: 1 error\n"
        'c0.yaml:15:10: service::mapping::prices::1::id: id "contract" stands at c0.yaml:14:10 before\n'
        "    found         contract"
    )
