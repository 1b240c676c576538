"""Every kind of mistake, and the exact text that answers it."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanledger.config import InvalidConfiguration, load_config
from tests.config.conftest import MINIMAL, TEST_REGISTRY, Mistakes


def test_an_empty_file(mistakes: Mistakes) -> None:
    assert mistakes("# nothing\n") == "invalid configuration: 1 error\nc0.yaml:1:1: empty configuration file"


def test_text_that_is_no_yaml(mistakes: Mistakes) -> None:
    assert mistakes("receivers: [otlp\n") == (
        "invalid configuration: 1 error\nc0.yaml:2:1: not valid YAML: expected ',' or ']', but got '<stream end>'"
    )


def test_a_file_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("collector.yaml").write_text(MINIMAL)
    with pytest.raises(InvalidConfiguration) as caught:
        load_config(["colector.yaml"], env={}, registry=TEST_REGISTRY)
    assert str(caught.value) == (
        "invalid configuration: 1 error\n"
        "colector.yaml: cannot be read: No such file or directory\n"
        "    found         colector.yaml\n"
        "    expected      a readable YAML file; beside it: collector.yaml"
    )


def test_a_key_written_twice(mistakes: Mistakes) -> None:
    assert mistakes("exporters:\n  debug:\nexporters:\n") == (
        'invalid configuration: 1 error\nc0.yaml:3:1: mapping key "exporters" already defined at line 1'
    )


def test_an_unknown_section(mistakes: Mistakes) -> None:
    assert mistakes(MINIMAL + "exporter:\n  debug:\n") == (
        "invalid configuration: 1 error\n"
        "c0.yaml:12:1: exporter: '' has invalid keys: exporter\n"
        "    found         exporter\n"
        "    expected      one of connectors, exporters, extensions, processors, receivers, service\n"
        "    did you mean  exporters"
    )


def test_an_unknown_component_type(mistakes: Mistakes) -> None:
    assert mistakes(MINIMAL.replace("debug", "clickhose")) == (
        "invalid configuration: 1 error\n"
        'c0.yaml:6:3: exporters::clickhose: unknown type: "clickhose" for id: "clickhose" '
        "(valid values: [clickhouse debug])\n"
        "    found         clickhose\n"
        "    expected      one of clickhouse, debug\n"
        "    did you mean  clickhouse"
    )


def test_an_exporter_that_the_collector_removed(mistakes: Mistakes) -> None:
    assert mistakes(MINIMAL.replace("debug", "logging")) == (
        "invalid configuration: 1 error\n"
        'c0.yaml:6:3: exporters::logging: unknown type: "logging" for id: "logging" '
        "(valid values: [clickhouse debug]); the logging exporter is gone, as in the Collector; use debug\n"
        "    found         logging\n"
        "    expected      one of clickhouse, debug"
    )


def test_an_unknown_key_within_a_component(mistakes: Mistakes) -> None:
    text = MINIMAL.replace("grpc:\n", "grpc:\n        endpont: 0.0.0.0:4317\n")
    assert mistakes(text) == (
        "invalid configuration: 1 error\n"
        "c0.yaml:5:9: receivers::otlp::protocols::grpc::endpont: "
        "'receivers::otlp::protocols::grpc' has invalid keys: endpont\n"
        "    found         endpont\n"
        "    expected      one of endpoint, max_recv_msg_size_mib\n"
        "    did you mean  endpoint"
    )


def test_a_key_that_belongs_a_level_deeper(mistakes: Mistakes) -> None:
    text = MINIMAL.replace("    protocols:\n", "    endpoint: 0.0.0.0:4317\n    protocols:\n")
    assert mistakes(text) == (
        "invalid configuration: 1 error\n"
        "c0.yaml:3:5: receivers::otlp::endpoint: 'receivers::otlp' has invalid keys: endpoint\n"
        "    found         endpoint\n"
        "    expected      protocols\n"
        "    did you mean  receivers::otlp::protocols::grpc::endpoint"
    )


def test_a_key_that_must_be_there(mistakes: Mistakes) -> None:
    assert mistakes(MINIMAL.replace("    protocols:\n      grpc:\n", "")) == (
        'invalid configuration: 1 error\nc0.yaml:2:3: receivers::otlp: missing key "protocols"'
    )


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("timeout: 5", "found         5\n    expected      a duration with a unit (ns, us, ms, s, m, h), such as"),
        ("timeout: soon", "found         soon\n    expected      a duration with a unit"),
        ("compress: lz5", "found         lz5\n    expected      one of none, lz4, zstd\n    did you mean  lz4"),
        ("async_insert: perhaps", "found         perhaps\n    expected      true or false"),
        ("username: [a, b]", "found         a list\n    expected      text"),
        ("endpoint: {a: 1}", "found         a map\n    expected      text"),
        ("endpoint:", "found         nothing\n    expected      text"),
    ],
)
def test_a_value_of_the_wrong_kind(line: str, complaint: str, mistakes: Mistakes) -> None:
    key = line.split(":")[0]
    text = mistakes(MINIMAL.replace("  debug:\n", f"  debug:\n  clickhouse:\n    {line}\n"))
    assert text.startswith(
        f"invalid configuration: 1 error\nc0.yaml:8:5: exporters::clickhouse::{key}: cannot be used\n    {complaint}"
    )


def test_a_number_out_of_its_range(mistakes: Mistakes) -> None:
    text = MINIMAL.replace("grpc:\n", "grpc: {max_recv_msg_size_mib: 0}\n")
    assert mistakes(text) == (
        "invalid configuration: 1 error\n"
        "c0.yaml:4:14: receivers::otlp::protocols::grpc::max_recv_msg_size_mib: cannot be used\n"
        "    found         0\n"
        "    expected      at least 1"
    )


def test_an_endpoint_without_a_port(mistakes: Mistakes) -> None:
    text = MINIMAL.replace("grpc:\n", "grpc: {endpoint: localhost}\n")
    assert mistakes(text) == (
        "invalid configuration: 1 error\n"
        "c0.yaml:4:14: receivers::otlp::protocols::grpc::endpoint: cannot be used\n"
        "    found         localhost\n"
        "    expected      host:port, such as 127.0.0.1:4318 or 0.0.0.0:4318"
    )


def test_settings_that_contradict_each_other(mistakes: Mistakes) -> None:
    text = MINIMAL + "processors:\n  batch: {send_batch_size: 100, send_batch_max_size: 10}\n"
    assert mistakes(text) == (
        "invalid configuration: 1 error\n"
        "c0.yaml:13:3: processors::batch: send_batch_max_size must be greater or equal to send_batch_size"
    )


def test_a_pipeline_that_names_what_is_not_configured(mistakes: Mistakes) -> None:
    assert mistakes(MINIMAL.replace("exporters: [debug]", "exporters: [debgu]")) == (
        "invalid configuration: 1 error\n"
        'c0.yaml:11:19: service::pipelines::traces: references exporter "debgu" which is not configured\n'
        "    found         debgu\n"
        "    expected      debug\n"
        "    did you mean  debug"
    )


def test_an_extension_that_is_not_configured(mistakes: Mistakes) -> None:
    assert mistakes(MINIMAL + "  extensions: [health_check]\n") == (
        "invalid configuration: 1 error\n"
        'c0.yaml:12:16: service::extensions: references extension "health_check" which is not configured\n'
        "    found         health_check\n"
        "    expected      an id that stands in extensions"
    )


def test_a_pipeline_without_ends(mistakes: Mistakes) -> None:
    text = MINIMAL.replace("receivers: [otlp]", "receivers: []").replace("exporters: [debug]", "")
    assert mistakes(text) == (
        "invalid configuration: 2 errors\n"
        "c0.yaml:9:5: service::pipelines::traces: must have at least one receiver\n"
        "c0.yaml:9:5: service::pipelines::traces: must have at least one exporter"
    )


def test_a_processor_twice_in_one_pipeline(mistakes: Mistakes) -> None:
    text = MINIMAL + "      processors: [batch, batch]\nprocessors:\n  batch:\n"
    assert mistakes(text) == (
        'invalid configuration: 1 error\nc0.yaml:12:27: service::pipelines::traces: references processor "batch" '
        "multiple times"
    )


def test_no_pipeline(mistakes: Mistakes) -> None:
    text = MINIMAL[: MINIMAL.index("  pipelines:")] + "  extensions: []\n"
    assert mistakes(text) == (
        "invalid configuration: 1 error\nc0.yaml:7:1: service::pipelines: service must have at least one pipeline"
    )


def test_no_receiver_no_exporter_no_service(mistakes: Mistakes) -> None:
    assert mistakes("extensions:\n  health_check:\n") == (
        "invalid configuration: 3 errors\n"
        "c0.yaml:1:1: receivers: no receiver configuration specified in config\n"
        "c0.yaml:1:1: exporters: no exporter configuration specified in config\n"
        "c0.yaml:1:1: service: service must have at least one pipeline"
    )


def test_a_pipeline_of_no_known_signal(mistakes: Mistakes) -> None:
    assert mistakes(MINIMAL.replace("traces:", "trace:")) == (
        "invalid configuration: 1 error\n"
        'c0.yaml:9:5: service::pipelines::trace: unknown pipeline signal: "trace"\n'
        "    found         trace\n"
        "    expected      one of logs, metrics, traces\n"
        "    did you mean  traces"
    )


@pytest.mark.parametrize(
    ("id_", "complaint"),
    [
        ("9lives", 'in "9lives" id: invalid character(s) in type "9lives"'),
        ("debug/", 'in "debug/" id: the part after / should not be empty'),
        ("/x", 'in "/x" id: the part before / should not be empty'),
        ("debug/a b", 'in "debug/a b" id: invalid character(s) in name "a b"'),
    ],
)
def test_an_id_of_the_wrong_shape(id_: str, complaint: str, mistakes: Mistakes) -> None:
    assert mistakes(MINIMAL.replace("  debug:\n", f"  debug:\n  {id_}:\n")) == (
        f"invalid configuration: 1 error\nc0.yaml:7:3: exporters::{id_}: {complaint}\n"
        f"    found         {id_}\n"
        "    expected      type or type/name"
    )


def test_a_connector(mistakes: Mistakes) -> None:
    assert mistakes(MINIMAL + "connectors:\n  forward:\n") == (
        "invalid configuration: 1 error\n"
        'c0.yaml:13:3: connectors::forward: unknown type: "forward" for id: "forward" (valid values: [])\n'
        "    found         forward\n"
        "    expected      no connectors: there are none"
    )


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(mistakes: Mistakes) -> None:
    text = mistakes(
        "receivers:\n  otlp:\n    protocols: {grpc: {endpoint: nowhere}}\n  jaeger:\n"
        "exporters:\n  clickhouse:\n    pasword: x\n"
        "service:\n  pipelines:\n    traces: {receivers: [otlp], exporters: [clickhouse, kafka]}\n"
    )
    assert [line.split(": ")[0] for line in text.splitlines() if line.startswith("c0")] == [
        "c0.yaml:3:24",
        "c0.yaml:4:3",
        "c0.yaml:7:5",
        "c0.yaml:10:57",
    ]


def test_a_mistake_in_the_second_file_is_shown_there(mistakes: Mistakes) -> None:
    assert mistakes(MINIMAL, "exporters:\n  debug:\n    verbosity: detailed\n") == (
        "invalid configuration: 1 error\n"
        "c1.yaml:3:5: exporters::debug::verbosity: 'exporters::debug' has invalid keys: verbosity\n"
        "    found         verbosity\n"
        "    expected      one of retry_on_failure, sending_queue"
    )


def test_a_mistake_in_set_is_shown_there(mistakes: Mistakes) -> None:
    assert mistakes(MINIMAL, sets=("receivers.otlp.protocols.grpc.endpoint=4317",)) == (
        "invalid configuration: 1 error\n"
        "--set receivers.otlp.protocols.grpc.endpoint: receivers::otlp::protocols::grpc::endpoint: cannot be used\n"
        "    found         4317\n"
        "    expected      host:port, such as 127.0.0.1:4318 or 0.0.0.0:4318"
    )


def test_set_without_a_value(mistakes: Mistakes) -> None:
    assert mistakes(MINIMAL, sets=("exporters.debug",)) == (
        "invalid configuration: 1 error\n"
        "--set exporters.debug: cannot be used\n"
        "    found         exporters.debug\n"
        "    expected      KEY.KEY.KEY=VALUE"
    )


def test_an_environment_variable_of_an_impossible_name(mistakes: Mistakes) -> None:
    text = MINIMAL.replace("  debug:\n", "  debug:\n  clickhouse:\n    password: pa${$ss}word\n")
    assert mistakes(text) == (
        "invalid configuration: 1 error\n"
        'c0.yaml:8:5: exporters::clickhouse::password: "${$ss}" holds a $ that belongs to no reference'
    ).replace("8:5", "8:15")


def test_a_reference_of_an_unknown_scheme(mistakes: Mistakes) -> None:
    assert mistakes(MINIMAL.replace("  debug:\n", "  debug: ${fiel:debug.yaml}\n")) == (
        "invalid configuration: 1 error\n"
        'c0.yaml:6:10: exporters::debug: scheme "fiel" is not supported for uri "${fiel:debug.yaml}"\n'
        "    expected      one of env, file, yaml\n"
        "    did you mean  file"
    )


@pytest.mark.parametrize(
    "line",
    [
        "password: [hunter2]",
        "timeout: ${env:HIDDEN}",
        "compress: ${env:HIDDEN}",
        "secret_key: hunter2",
        "timeout: https://me:hunter2@host/",
    ],
)
def test_no_secret_is_quoted(line: str, mistakes: Mistakes) -> None:
    text = mistakes(MINIMAL.replace("  debug:\n", f"  debug:\n  clickhouse:\n    {line}\n"), env={"HIDDEN": "hunter2"})
    assert "hunter2" not in text
