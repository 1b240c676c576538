"""The language: what statements and conditions mean (pkg/ottl/LANGUAGE.md and pkg/ottl/ottlfuncs/README.md)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.processors.ottl import (
    Item,
    OttlError,
    OttlSyntaxError,
    compile_condition,
    compile_statement,
    context_of,
)
from spanledger.processors.values import plain_map
from tests.processors.requests import traces

ATTRIBUTES: dict[str, Any] = {
    "text": "Hello World",
    "int": 7,
    "double": 2.5,
    "yes": True,
    "list": [1, "two", {"three": 3}],
    "map": {"a": {"b": [10, 20]}},
    "json": '{"x": [1, {"y": "z"}]}',
}


def item(**attributes: Any) -> Item:
    request = traces(
        {"name": "chat gpt-4o", "kind": 3, "status": 2, "attributes": {**ATTRIBUTES, **attributes}},
        resource={"service.name": "shop"},
    )
    group = request.resource_spans[0]
    scoped = group.scope_spans[0]
    return Item(group.resource, scoped.scope, span=scoped.spans[0])


def value(expression: str) -> Any:
    """What an expression is, through `set`."""
    here = item()
    compile_statement(f'set(attributes["it"], {expression})', "span")(here)
    return plain_map(here.span.attributes).get("it")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('"a\\"b\\n"', 'a"b\n'),
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("7 / 2", 3),
        ("-7 / 2", -3),
        ("7.0 / 2.0", 3.5),
        ("0xcafe", b"\xca\xfe"),
        ('[1, 2.5, "x", true]', [1, 2.5, "x", True]),
        ('{"a": 1, "b": [2]}', {"a": 1, "b": [2]}),
        ("SPAN_KIND_CLIENT", 3),
        ("SEVERITY_NUMBER_ERROR2", 18),
        ("name", "chat gpt-4o"),
        ("span.name", "chat gpt-4o"),
        ('resource.attributes["service.name"]', "shop"),
        ("instrumentation_scope.name", "library"),
        ("trace_id.string", "01010101010101010101010101010101"),
        ("kind.string", "Client"),
        ("status.code == STATUS_CODE_ERROR", True),
        ('attributes["map"]["a"]["b"][1]', 20),
        ('attributes["list"][2]["three"]', 3),
        ('attributes["list"][9]', None),
        ('Concat(["a", attributes["int"], true], "-")', "a-7-true"),
        ('Split("a,b", ",")', ["a", "b"]),
        ('Substring("abcdef", 1, 3)', "bcd"),
        ('Len("äb")', 3),
        ('Int("42")', 42),
        ("Int(2.9)", 2),
        ('Int("4.2")', None),
        ('Double("1e3")', 1000.0),
        ("String(7)", "7"),
        ("String([1, {}])", "[1,{}]"),
        ('ToSnakeCase("HTTPStatusCode")', "http_status_code"),
        ('ToCamelCase("http_status")', "HttpStatus"),
        ('ParseJSON(attributes["json"])["x"][1]["y"]', "z"),
        ('ParseKeyValue("a=1 b=\\"x y\\"")', {"a": "1", "b": "x y"}),
        ('ParseCSV("1,2", "a,b")', {"a": "1", "b": "2"}),
        ('ExtractPatterns("id-17", "id-(?P<number>[0-9]+)")["number"]', "17"),
        (
            'ExtractGrokPatterns("10.0.0.7 took 2.5 s, 3 times", "%{IP:ip} took %{NUMBER:s:float} s, %{INT:n:int}")',
            {"ip": "10.0.0.7", "s": 2.5, "n": 3},
        ),
        ('ExtractGrokPatterns("no", "%{INT:n}")', {}),
        ('ExtractGrokPatterns("7", "%{INT}", false)', {"INT": "7"}),
        ('ExtractGrokPatterns("id-7", "%{ID:id}", true, ["ID=id-%{INT}"])', {"id": "id-7"}),
        ('Hex("ab")', "6162"),
        ("Hex(-1)", "ffffffffffffffff"),
        ("Hex(true)", "01"),
        ("Hex(1.0)", "3ff0000000000000"),
        ('SHA256("a")', "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
        ('FNV("hello")', -6615550055289275125),
        ('XXH3("abc")', "78af5f94892f3950"),
        ('XXH128("abc")', "06b05ab6733a618578af5f94892f3950"),
        (
            'UserAgent("curl/7.81.0")',
            {
                "user_agent.original": "curl/7.81.0",
                "user_agent.name": "curl",
                "user_agent.version": "7.81.0",
            },
        ),
        ('UserAgent("what")["user_agent.name"]', "Other"),
        ('Format("%s has %03d (%.1f%%)", ["x", 7, 2.5])', "x has 007 (2.5%)"),
        ('Trim("  a ")', "a"),
        ('TrimPrefix("pre-a", "pre-")', "a"),
        ('Coalesce([attributes["none"], "b"])', "b"),
        ('Sort([3, 1, 2], "desc")', [3, 2, 1]),
        ('Keys({"a": 1})', ["a"]),
        ('Index("abc", "c")', 2),
        ('Milliseconds(Duration("1.5s"))', 1500),
        ('UnixSeconds(Time("2026-03-01", "%Y-%m-%d"))', 1772323200),
        ('FormatTime(Unix(1772323200), "%Y/%m/%d")', "2026/03/01"),
        ('URL("https://u@example.com:8080/a.js?q=1")["url.domain"]', "example.com"),
        ('Decode("aGk=", "base64")', "hi"),
        ("IsRootSpan()", True),
        ('IsMap(attributes["map"])', True),
        ('cache["nothing"]', None),
    ],
)
def test_expressions(expression: str, expected: Any) -> None:
    found = value(expression)
    assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("true", True),
        ("not true or true and false", False),
        ("not (false and true)", True),
        ('attributes["int"] == 7.0', True),
        ('attributes["int"] == "7"', False),
        ('attributes["int"] != "7"', True),
        ('attributes["int"] < "8"', False),
        ('attributes["none"] == nil', True),
        ('attributes["int"] == nil', False),
        ("false < true", True),
        ('"a" < "b"', True),
        ('attributes["yes"]', True),
        ('IsMatch(name, "^chat .*")', True),
        ('IsMatch(attributes["none"], ".*")', False),
        ('attributes["list"] == [1, "two", {"three": 3}]', True),
        ('HasPrefix(name, "chat") and kind == SPAN_KIND_CLIENT', True),
    ],
)
def test_conditions(condition: str, holds: bool) -> None:
    assert compile_condition(condition, "span")(item()) is holds


@pytest.mark.parametrize(
    ("statement", "changed"),
    [
        ('set(attributes["int"], 8) where name == "other"', {}),
        ('set(attributes["int"], nil)', {}),
        ('set(attributes["map"]["a"]["c"], 1)', {"map": {"a": {"b": [10, 20], "c": 1}}}),
        ('set(attributes["new"]["deep"], 1)', {"new": {"deep": 1}}),
        ('append(attributes["list"], 4)', {"list": [1, "two", {"three": 3}, 4]}),
        ('append(attributes["text"], values=["x"])', {"text": ["Hello World", "x"]}),
        ('delete_key(attributes, "int")', {"int": None}),
        ('delete_matching_keys(attributes, "^(int|double)$")', {"int": None, "double": None}),
        ('delete_index(attributes["list"], 0, 2)', {"list": [{"three": 3}]}),
        ('replace_pattern(attributes["text"], "(W)orld", "$1$$${1}")', {"text": "Hello W$W"}),
        (
            'replace_pattern(attributes["text"], "World", "x", SHA1)',
            {"text": "Hello 11f6ad8ec52a2984abaafd7c3b516503785c2072"},
        ),
        ('replace_pattern(attributes["text"], "World", "x", nil, "<%s>")', {"text": "Hello <x>"}),
        ('replace_match(attributes["text"], "Hello*", "bye")', {"text": "bye"}),
        ('replace_all_patterns(attributes, "key", "^int$", "number")', {"int": None, "number": 7}),
        ('replace_all_patterns(attributes, "value", "l+", "L")', {"text": "HeLo WorLd"}),
        ('merge_maps(attributes, {"int": 1, "extra": 2}, "insert")', {"extra": 2}),
        ('merge_maps(attributes, {"int": 1, "extra": 2}, "update")', {"int": 1}),
        ('merge_maps(attributes, {"int": 1, "extra": 2}, "upsert")', {"int": 1, "extra": 2}),
        ('flatten(attributes["map"])', {"map": {"a.b.0": 10, "a.b.1": 20}}),
        ('flatten(attributes["map"], depth=1)', {"map": {"a.b": [10, 20]}}),
        ('stringify_all(attributes["map"])', {"map": {"a": '{"b":[10,20]}'}}),
    ],
)
def test_statements(statement: str, changed: dict[str, Any]) -> None:
    here = item()
    compile_statement(statement, "span")(here)
    expected = {key: entry for key, entry in {**ATTRIBUTES, **changed}.items() if entry is not None}
    assert plain_map(here.span.attributes) == expected


@pytest.mark.parametrize(
    ("statement", "left"),
    [
        ('keep_keys(attributes, ["int", "yes"])', {"int": 7, "yes": True}),
        ('keep_matching_keys(attributes, "^te")', {"text": "Hello World"}),
        ('limit(attributes, 2, ["yes"])', {"text": "Hello World", "yes": True}),
    ],
)
def test_statements_that_leave_little(statement: str, left: dict[str, Any]) -> None:
    here = item()
    compile_statement(statement, "span")(here)
    assert plain_map(here.span.attributes) == left


def test_texts_are_cut_at_whole_characters() -> None:
    here = item(text="añb")
    compile_statement("truncate_all(attributes, 2)", "span")(here)
    assert plain_map(here.span.attributes)["text"] == "a"


def test_what_a_statement_does_not_touch_keeps_its_order_and_type() -> None:
    here = item()
    before = here.span.SerializeToString(deterministic=True)
    compile_statement('set(attributes["int"], 7)', "span")(here)
    assert here.span.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("set(attributes", "expected ',', found the end, at column 15"),
        ('set(atributes["a"], 1)', "span has no atributes"),
        ('put(attributes["a"], 1)', "unknown editor put"),
        ('set(attributes["a"], Cocnat(["a"], ""))', "did you mean Concat?"),
        ('set(attributes["a"])', "set needs value"),
        ('set(kind.string, "x")', "kind.string can only be read"),
        ("set(datapoint.value_int, 1)", "datapoint cannot be reached from span"),
        ('set(attributes["a"], set(attributes["b"], 1))', "set is an editor; values come from converters"),
        ('set(attributes["a"], "x) where true', "unexpected '\"'"),
        ('replace_pattern(name, "(", "")', "not a regular expression"),
        ('replace_pattern(name, "(?=a)", "")', "not a regular expression"),
        ('set(attributes["a"], SPAN_KIND_KLIENT)', "did you mean SPAN_KIND_CLIENT?"),
        ("set(" + "(" * 60 + "1", "more than 50 expressions"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, words: str) -> None:
    with pytest.raises(OttlSyntaxError) as raised:
        compile_statement(text, "span")
    assert words in str(raised.value)


@pytest.mark.parametrize(
    "statement",
    [
        'set(attributes["a"], 1 / 0)',
        'set(attributes["a"], 1 + 1.0)',
        'set(attributes["a"], "x" + 1)',
        'set(attributes["a"], ParseJSON("{"))',
        'set(attributes["a"], Substring("abc", 2, 9))',
        'set(attributes["a"], Len(7))',
        "set(attributes, 7)",
        "set(name, 7)",
        'set(trace_id.string, "xyz")',
        'set(attributes["a"], 1) where attributes["int"]',
    ],
)
def test_what_fails_on_an_item_is_one_kind_of_error(statement: str) -> None:
    with pytest.raises(OttlError):
        compile_statement(statement, "span")(item())


@pytest.mark.parametrize(
    ("text", "context"),
    [
        ('set(span.name, resource.attributes["a"])', "span"),
        ('set(resource.attributes["a"], 1)', "resource"),
        ("set(spanevent.name, span.name)", "spanevent"),
        ('set(datapoint.attributes["a"], metric.name)', "datapoint"),
        ('set(attributes["a"], 1)', None),
    ],
)
def test_paths_tell_the_context(text: str, context: str | None) -> None:
    assert context_of(text, statement=True) == context


@given(st.text(max_size=60) | st.text('set(attributes["a"], 1+*/-)[]{}. where not and or', max_size=80))
def test_no_text_makes_the_parser_raise_anything_else(text: str) -> None:
    try:
        compile_statement(text, "span")
    except OttlSyntaxError:
        return
