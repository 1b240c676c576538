"""Merging, expansion and typing of configurations that can be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spanledger.config import ComponentId, Config, Kind, PipelineConfig, PipelineId
from spanledger.model.received import Signal
from tests.config.conftest import MINIMAL, Load

OTLP, DEBUG = ComponentId("otlp"), ComponentId("debug")
STORE = "exporters:\n  clickhouse:\n    {line}\n"


def store(config: Config) -> Any:
    return config.components[Kind.EXPORTERS][ComponentId("clickhouse")]


def test_the_smallest_configuration(load: Load) -> None:
    config = load(MINIMAL)
    assert config.pipelines == {PipelineId(Signal.TRACES): PipelineConfig((OTLP,), (), (DEBUG,))}
    assert config.signals_of(OTLP) == {Signal.TRACES}
    assert config.warnings == ()


def test_later_files_win_key_by_key(load: Load) -> None:
    first = STORE.format(line="{endpoint: http://a, username: u, timeout: 1s}")
    config = load(MINIMAL, first, STORE.format(line="timeout: 2m"))
    assert (store(config).endpoint, store(config).username, store(config).timeout) == ("http://a", "u", 120.0)


def test_lists_are_replaced(load: Load) -> None:
    config = load(MINIMAL, "exporters: {clickhouse: }\nservice: {pipelines: {traces: {exporters: [clickhouse]}}}")
    assert config.pipelines[PipelineId(Signal.TRACES)].exporters == (ComponentId("clickhouse"),)


def test_null_in_a_later_file_clears_a_map(load: Load) -> None:
    config = load(MINIMAL, STORE.format(line="username: someone"), "exporters:\n  clickhouse:\n")
    assert store(config).username == "default"


def test_set_comes_last_and_is_yaml(load: Load) -> None:
    sets = ("exporters.clickhouse.async_insert=true", "service::pipelines::traces::exporters=[debug, clickhouse]")
    config = load(MINIMAL, STORE.format(line="async_insert: false"), sets=sets)
    assert store(config).async_insert is True
    assert config.pipelines[PipelineId(Signal.TRACES)].exporters == (DEBUG, ComponentId("clickhouse"))


@pytest.mark.parametrize(
    ("written", "username"),
    [
        ("${env:NAME}", "ada"),
        ("${NAME}", "ada"),
        ("${env:NONE:-other}", "other"),
        ("${env:NONE:-}", ""),
        ("${env:NONE}", ""),
        ("x-${env:NAME}-${NAME}", "x-ada-ada"),
        ("${env:NONE:-${env:NAME}}", "ada"),
        ("$${NAME}", "${NAME}"),
        ("a$$b", "a$b"),
        ("$NAME", "$NAME"),
        ("${env:NUMBER}", "0123"),
        ("${env:ODD}", "p$$w${NAM: {["),
        ("${env:NESTED}", "ada"),
        ("${file:name.txt}", "from a file"),
        ('"${yaml:ada}"', "ada"),
        ("0123", "0123"),
        ("yes", "yes"),
    ],
)
def test_expansion(written: str, username: str, load: Load) -> None:
    Path("name.txt").write_text("from a file\n")
    env = {"NAME": "ada", "NUMBER": "0123", "ODD": "p$$w${NAM: {[", "NESTED": "${env:NAME}"}
    config = load(MINIMAL, STORE.format(line=f"username: {written}"), env=env)
    assert store(config).username == username


def test_an_expanded_value_takes_the_type_of_its_yaml(load: Load) -> None:
    text = MINIMAL.replace("grpc:\n", "grpc: {max_recv_msg_size_mib: '${env:SIZE}'}\n")
    config = load(text, env={"SIZE": "16"})
    settings: Any = config.components[Kind.RECEIVERS][OTLP]
    assert settings.protocols.grpc.max_recv_msg_size_mib == 16


def test_a_whole_section_from_a_file(load: Load) -> None:
    Path("store.yaml").write_text("endpoint: http://${env:HOST}:8123\n")
    config = load(MINIMAL + "", "exporters:\n  clickhouse: ${file:store.yaml}\n", env={"HOST": "db"})
    assert store(config).endpoint == "http://db:8123"


def test_a_variable_that_is_not_set_is_warned_of(load: Load) -> None:
    config = load(MINIMAL, STORE.format(line="username: ${env:WHO}"))
    assert config.warnings == ("c1.yaml:3:15: exporters::clickhouse::username: environment variable WHO is not set",)


def test_anchors_and_merge_keys(load: Load) -> None:
    text = "exporters:\n  debug: &nothing {}\n  debug/two: *nothing\n"
    assert ComponentId("debug", "two") in load(MINIMAL, text).components[Kind.EXPORTERS]


def test_a_value_knows_where_it_was_written(load: Load) -> None:
    config = load(MINIMAL, STORE.format(line="timeout: 1s"))
    assert str(config.origin("exporters", "clickhouse", "timeout")) == "c1.yaml:3:5"
    assert str(config.origin("receivers", "otlp", "protocols", "http", "endpoint")) == "c0.yaml:3:5"
