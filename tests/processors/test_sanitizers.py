"""`url_sanitizer`, `db_sanitizer` and keyed hashes of the processor `redaction`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import ValidationError

from spanledger.model.received import Signal
from spanledger.processors.redaction import RedactionProcessor, RedactionSettings
from spanledger.processors.sanitizers import SANITIZERS, sanitized_sql, sanitized_url
from spanledger.processors.values import plain, plain_map
from tests.processors.requests import attributes_after, logs, processed, spans_of, traces


def redacting(**settings: Any) -> RedactionProcessor:
    return RedactionProcessor(RedactionSettings.model_validate({"allow_all_keys": True, **settings}))


URLS = {"enabled": True, "attributes": ["url.full", "http.target"]}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        # As the Collector's classifier has them (clusterurl_test.go).
        ("", ""),
        ("/users/fdklsd/j4elk/23993/job/2", "/users/*/j4elk/*/job/*"),
        ("123", "*"),
        ("123/", "*/"),
        ("/**", "/*"),
        ("/v1/products/22j", "/v1/products/*"),
        ("/products//org/3", "/products//org/*"),
        ("/Benutzer/fdklsd/j4elk/23993/Arbeit/2", "/Benutzer/*/j4elk/*/Arbeit/*"),
        ("/api.backup/hello.world", "/api.backup/hello.world"),
        ("GET /api/cart?sessionId=55f4e5ea-5d6d-482a-80c4&currencyCode=USD", "GET /api/cart"),
        ("/attach#section-1", "/attach"),
        ("/a/b/c/d/e/f/g/h/i/j", "/a/b/c/d/e/f/g/h/i"),
        ("/api/users/123e4567-e89b-12d3-a456-426614174000", "/api/users/*"),
        # Our own: the host stays, the user does not.
        ("https://ada:secret@shop.example.com:8443/users/7?token=x", "https://shop.example.com:8443/users/*"),
        ("https://api.example.com", "https://api.example.com"),
    ],
)
def test_urls(url: str, expected: str) -> None:
    assert sanitized_url(url) == expected


def test_attributes_that_hold_urls_and_no_others() -> None:
    before = {"url.full": "https://api.example.com/users/7", "note": "see /users/7"}
    after = {"url.full": "https://api.example.com/users/*", "note": "see /users/7"}
    assert attributes_after(redacting(url_sanitizer=URLS), before) == after
    assert attributes_after(redacting(url_sanitizer={**URLS, "enabled": False}), before) == before
    assert attributes_after(redacting(url_sanitizer=URLS, allowed_values=["/users/7$"]), before) == before


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ({"name": "GET /users/7", "kind": Span.SPAN_KIND_SERVER}, "GET /users/*"),
        ({"name": "GET /users/7", "kind": Span.SPAN_KIND_INTERNAL}, "GET /users/7"),
        ({"name": "/7", "kind": Span.SPAN_KIND_CLIENT}, "/7"),
        ({"name": "chat gpt-4o", "kind": Span.SPAN_KIND_CLIENT}, "chat gpt-4o"),
    ],
)
def test_names_of_spans_about_http(span: dict[str, Any], expected: str) -> None:
    assert spans_of(processed(redacting(url_sanitizer=URLS), traces(span)))[0].name == expected
    kept = redacting(url_sanitizer={**URLS, "sanitize_span_name": False})
    assert spans_of(processed(kept, traces(span)))[0].name == span["name"]


@pytest.mark.parametrize(
    ("system", "query", "expected"),
    [
        ("mysql", "SELECT * FROM users WHERE id = 123", "SELECT * FROM users WHERE id = ?"),
        ("mysql", "UPDATE a SET b = 'it\\'s', c = \"x\" WHERE d = 1.5e3", "UPDATE a SET b = ?, c = ? WHERE d = ?"),
        ("mysql", "SELECT `order` FROM t1 -- of ada", "SELECT `order` FROM t?"),
        (
            "postgresql",
            "SELECT \"Name\" FROM t WHERE a = 'O''Neil' AND b = $1",
            'SELECT "Name" FROM t WHERE a = ? AND b = $1',
        ),
        ("postgresql", "SELECT $tag$secret$tag$, E'a\\'b', 'C:\\', 'x'", "SELECT ?, ?, ?, ?"),
        ("postgresql", "SELECT /* ada */ 0xFF, 'never closed, secret", "SELECT  ?, ?"),
        ("sqlite", "SELECT \"Ada\", x'00ff' FROM [my table]", "SELECT ?, ? FROM [my table]"),
        ("", "SELECT 'C:\\', 'secret'", "SELECT ?"),
    ],
)
def test_sql(system: str, query: str, expected: str) -> None:
    assert sanitized_sql(query, system) == expected


@given(
    secret=st.text(st.characters(exclude_characters="'\"\\`$[?"), min_size=3),
    system=st.sampled_from(["mysql", "postgresql", ""]),
)
def test_no_string_of_sql_stays(secret: str, system: str) -> None:
    told = sanitized_sql(f"SELECT a FROM b WHERE c = '{secret}' AND d = E'{secret}' AND e = 4711", system)
    assert told == "SELECT a FROM b WHERE c = ? AND d = ? AND e = ?"


@given(text=st.text(), system=st.sampled_from(["mysql", "postgresql", "sqlite", ""]))
def test_every_text_has_an_end(text: str, system: str) -> None:
    for sanitize, _ in SANITIZERS.values():
        sanitize(text, system)
    sanitized_url(text)


@pytest.mark.parametrize(
    ("kind", "system", "value", "expected"),
    [
        ("sql", "postgresql", "SELECT 1", "SELECT ?"),
        ("redis", "redis", "SET user:123 john\nGET user:123\nPING", "SET ?\nGET ?\nPING"),
        ("valkey", "valkey", "AUTH secret", "AUTH ?"),
        ("memcached", "memcached", "set mykey 0 60 5\r\nsecret\r\n", "set mykey 0 60 5"),
        (
            "mongo",
            "mongodb",
            '{"find": "users", "filter": {"age": [30, 31]}}',
            '{"find":"?","filter":{"age":["?","?"]}}',
        ),
        ("mongo", "mongodb", "db.users.find(ada)", "?"),
        ("opensearch", "opensearch", '{"query": {"match": {"title": "t"}}}', '{"query":{"match":{"title":"?"}}}'),
        ("es", "elasticsearch", '{"index": {}}\n{"user": "ada"}\n', '{"index":{}}\n{"user":"?"}'),
        ("redis", "mysql", "SET user:123 john", "SET user:123 john"),
        ("redis", "", "SET user:123 john", "SET user:123 john"),
    ],
)
def test_queries_are_told_apart_by_the_database(kind: str, system: str, value: str, expected: str) -> None:
    processor = redacting(db_sanitizer={kind: {"enabled": True, "attributes": ["db.statement"]}})
    other = {"db.system": system} if system else {}
    before = {**other, "db.statement": value, "note": "SET user:123 john"}
    assert attributes_after(processor, before) == {**other, "db.statement": expected, "note": "SET user:123 john"}


def test_names_of_spans_about_databases() -> None:
    processor = redacting(db_sanitizer={"sql": {"enabled": True, "attributes": ["db.statement"]}})
    attributes = {"db.system.name": "MySQL"}
    request = traces(
        {"name": "SELECT 7", "kind": Span.SPAN_KIND_CLIENT, "attributes": attributes},
        {"name": "SELECT 7", "kind": Span.SPAN_KIND_CONSUMER, "attributes": attributes},
        {"name": "SELECT 7", "kind": Span.SPAN_KIND_CLIENT},
    )
    assert [span.name for span in spans_of(processed(processor, request))] == ["SELECT ?", "SELECT 7", "SELECT 7"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("SELECT name FROM users WHERE id = 7", "SELECT name FROM users WHERE id = ?"),
        ('{"user": "ada"}', '{"user":"?"}'),
        ("/users/7?x=1", "/users/*"),
        ("What is 2 + 2? See 'users/7'.", "What is 2 + 2? See 'users/7'."),
        ("Select the 3 best and update 'them'", "Select the 3 best and update 'them'"),
    ],
)
def test_bodies_of_log_records_that_are_a_query_or_a_url(body: str, expected: str) -> None:
    of_all = {name: {"enabled": True, "attributes": ["db.statement"]} for name in SANITIZERS}
    request = logs({"body": body, "attributes": {"db.statement": "7"}})
    found = processed(redacting(url_sanitizer=URLS, db_sanitizer=of_all), request, Signal.LOGS)
    (record,) = found.resource_logs[0].scope_logs[0].log_records
    assert plain(record.body) == expected
    assert plain_map(record.attributes) != {"db.statement": "7"}, "what a log record lists needs no system"


def test_keyed_hashes() -> None:
    processor = redacting(hash_function="hmac-sha256", hmac_key="k" * 32, blocked_values=["ada"])
    digest = "a8b373bd9a0f9800c50bbfebdb7cf07984ccd62a4ee99e1570b3f601c7fb713f"
    assert attributes_after(processor, {"note": "of ada"}) == {"note": f"of {digest}"}


@pytest.mark.parametrize(("function", "least"), [("hmac-sha256", 32), ("hmac-sha512", 64)])
def test_a_key_that_is_too_short_is_a_mistake(function: str, least: int) -> None:
    with pytest.raises(ValidationError, match=f"at least {least} bytes long for {function}"):
        redacting(hash_function=function, hmac_key="k" * (least - 1))
    with pytest.raises(ValidationError, match="hmac_key must be at least"):
        redacting(hash_function=function)
