"""Patterns match what Python's `re` matches, in time proportional to the text."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger.mapping.cost.pattern import Pattern


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("gpt-4o", "gpt-4o", True),
        ("gpt-4o", "GPT-4o", True),
        ("gpt-4o", "gpt-4o-mini", False),
        (r"gpt-4\.1(-mini|-nano)?", "gpt-4.1-nano", True),
        (r"gpt-4\.1", "gpt-401", False),
        ("claude-.*", "claude-opus", True),
        ("[a-c]+[^0-9]", "abcx", True),
        ("[a-c]+[^0-9]", "abc1", False),
        (r"o\d{1,2}", "o33", True),
        (r"o\d{1,2}", "o333", False),
        (r"o\d{2,}", "o3", False),
        ("a{0}b", "b", True),
        ("(?:ab){2}", "abab", True),
        ("a*?b", "aab", True),
        ("|a", "", True),
        (r"[\]\[]", "[", True),
        (".", "\n", True),
    ],
)
def test_a_pattern_matches_the_whole_text(pattern: str, text: str, matches: bool) -> None:
    assert Pattern(pattern).fullmatch(text) is matches


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(a", "missing )"),
        ("a)", "unbalanced )"),
        ("[a", "missing ]"),
        ("*a", "nothing to repeat"),
        ("a**", "one repetition directly after another"),
        ("a*+", "one repetition directly after another"),
        ("^a$", "^ is not needed: the whole name is always matched"),
        (r"(a)\1", r"unsupported escape \1"),
        (r"\bword", r"unsupported escape \b"),
        ("(?=a)", "only plain groups and (?:…) are supported"),
        ("(?i)a", "only plain groups and (?:…) are supported"),
        ("a{3,2}", "repetition must be ascending and at most 64"),
        ("a{65}", "repetition must be ascending and at most 64"),
        ("(a{60}){60}", "too large with its repetitions written out"),
        ("[z-a]", "bad character range"),
        ("[[a]", "with a backslash inside [ ]"),
        ("(" * 30 + ")" * 30, "groups are nested too deeply"),
        ("a\\", "unsupported escape"),
    ],
)
def test_what_is_not_supported_is_refused_with_its_place(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        Pattern(pattern)


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|a)*b", "(a*)*(a*)*b", "a?" * 30 + "a" * 30 + "b", ".*.*.*.*.*b"])
def test_patterns_that_make_backtracking_explode_are_harmless(pattern: str) -> None:
    # `re` would need from minutes to the age of the universe; the test's timeout is the assertion.
    assert Pattern(pattern).fullmatch("a" * 250) is False
    assert Pattern(pattern).fullmatch("a" * 30 + "b") is True


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [
        ("gpt-4o", "gpt-4o"),
        (r"gpt-4\.1.*", "gpt-4.1"),
        ("gpt-4o?", "gpt-4"),
        (r"o\d", "o"),
        ("a|b", ""),
        (".*", ""),
        ("(a)b", ""),
    ],
)
def test_the_literal_start(pattern: str, prefix: str) -> None:
    assert Pattern(pattern).literal_prefix == prefix


ATOMS = st.sampled_from(["a", "b", "c", "-", r"\.", ".", "[ab]", "[^a]", r"\d", r"\w", "1"])


def patterns() -> st.SearchStrategy[str]:
    repeated = st.tuples(ATOMS, st.sampled_from(["", "*", "+", "?", "{2}", "{1,2}", "{0,}"])).map("".join)
    return st.recursive(
        repeated,
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3).map("".join),
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
            st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}"])).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
        ),
        max_leaves=6,
    )


@settings(deadline=None)
@given(patterns(), st.text(alphabet="abAB1-.x", max_size=8))
def test_it_agrees_with_re(pattern: str, text: str) -> None:
    expected = re.fullmatch(pattern, text, re.IGNORECASE | re.DOTALL) is not None

    assert Pattern(pattern).fullmatch(text) is expected


@settings(deadline=None)
@given(st.text(alphabet=string.printable, max_size=40), st.text(max_size=20))
def test_any_text_is_a_pattern_or_a_value_error(pattern: str, text: str) -> None:
    try:
        compiled = Pattern(pattern)
    except ValueError:
        return
    compiled.fullmatch(text)
