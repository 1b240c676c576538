"""What sections say about each other, with the components as they really are."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanledger.config import ComponentId, Config, InvalidConfiguration, load_config
from spanledger.config.pipeline import delivery_settings, memory_limit, pipeline_settings, without_effect
from spanledger.pipeline.settings import Durability

CLICKHOUSE = ComponentId("clickhouse")


def configured(*sets: str) -> Config:
    """The built-in default with changes."""
    return load_config(sets=sets, env={})


def mistake(*sets: str) -> str:
    with pytest.raises(InvalidConfiguration) as caught:
        configured(*sets)
    return str(caught.value)


def test_two_durable_logs() -> None:
    assert mistake(
        "extensions::file_storage/two::directory=./two",
        "service.extensions=[file_storage, file_storage/two]",
    ) == (
        "invalid configuration: 1 error\n"
        '--set service.extensions: service::extensions: references a second file_storage, "file_storage/two"; '
        "there is one log\n"
        "    expected      file_storage"
    )


def test_a_queue_with_a_storage_that_is_not_started() -> None:
    assert mistake("exporters.clickhouse.sending_queue.storage=file_store") == (
        "invalid configuration: 1 error\n"
        "--set exporters.clickhouse.sending_queue.storage: exporters::clickhouse::sending_queue::storage: "
        'references extension "file_store" which is not in service::extensions\n'
        "    found         file_store\n"
        "    expected      file_storage\n"
        "    did you mean  file_storage"
    )


def test_an_api_without_a_store_to_read() -> None:
    text = mistake(
        "exporters.debug={}",
        *(f"service.pipelines.{signal}.exporters=[debug]" for signal in ("traces", "logs", "metrics")),
    )
    assert text == (
        "invalid configuration: 1 error\n"
        "built-in default:20:3: extensions::api::exporter: no pipeline has an exporter whose runs can be read\n"
        "    expected      one of clickhouse, postgres"
    )


def test_an_api_that_names_the_wrong_exporter() -> None:
    assert mistake("extensions.api.exporter=clickhouse/eu") == (
        "invalid configuration: 1 error\n"
        '--set extensions.api.exporter: extensions::api::exporter: references exporter "clickhouse/eu", '
        "which no pipeline names or whose runs cannot be read\n"
        "    found         clickhouse/eu\n"
        "    expected      clickhouse\n"
        "    did you mean  clickhouse"
    )


def test_two_listeners_on_one_address() -> None:
    assert mistake("extensions.api.endpoint=localhost:4318") == (
        "invalid configuration: 1 error\n"
        "--set extensions.api.endpoint: extensions::api::endpoint: "
        "localhost:4318 is taken by receivers::otlp::protocols::http::endpoint\n"
        "    found         localhost:4318\n"
        "    expected      an address of its own"
    )


def test_two_embedded_stores() -> None:
    assert mistake(
        "exporters::clickhouse/two::endpoint=chdb:///tmp/two",
        "service.pipelines.logs.exporters=[clickhouse, clickhouse/two]",
    ) == (
        "invalid configuration: 1 error\n"
        "--set exporters::clickhouse/two::endpoint: exporters::clickhouse/two::endpoint: "
        "a process can hold one embedded store\n"
        "    found         chdb:///tmp/two\n"
        "    expected      chdb://./data/clickhouse"
    )


def test_the_log_is_durable_where_file_storage_is_started() -> None:
    settings = pipeline_settings(configured("extensions.file_storage.directory=/var/lib/spanledger"))
    assert (settings.durability, settings.log.directory) == (Durability.DURABLE, Path("/var/lib/spanledger"))


def test_the_log_is_in_memory_without_file_storage() -> None:
    settings = pipeline_settings(configured("service.extensions=[api]"))
    assert settings.durability is Durability.MEMORY


def test_the_batch_processor_cuts_the_writes_of_its_pipelines() -> None:
    config = configured(
        "processors.batch={send_batch_size: 100, timeout: 1s}", "service.pipelines.logs.processors=[batch]"
    )
    batch = delivery_settings(config)[CLICKHOUSE].batch
    assert (batch.max_items, batch.flush_timeout) == (100, 1.0)


@pytest.mark.parametrize(
    ("endpoint", "processor", "expected"),
    [
        ("chdb://./data", None, 1.0),
        ("http://db:8123", None, 0.2),
        ("chdb://./data", "{send_batch_size: 100}", 1.0),
        ("chdb://./data", "{timeout: 200ms}", 0.2),
    ],
)
def test_small_inserts_into_the_embedded_engine_wait_for_more(
    endpoint: str, processor: str | None, expected: float
) -> None:
    sets = [f"exporters.clickhouse.endpoint={endpoint}"]
    if processor is not None:
        sets += [f"processors.batch={processor}", "service.pipelines.logs.processors=[batch]"]
    assert delivery_settings(configured(*sets))[CLICKHOUSE].batch.flush_timeout == expected


def test_the_batch_of_an_exporter_wins() -> None:
    config = configured(
        "processors.batch={send_batch_size: 100}",
        "service.pipelines.traces.processors=[batch]",
        "exporters.clickhouse.sending_queue.batch={min_size: 5000, max_size: 4000}",
    )
    assert delivery_settings(config)[CLICKHOUSE].batch.max_items == 4000


def test_retries_are_set_at_the_exporter() -> None:
    config = configured("exporters.clickhouse.retry_on_failure={initial_interval: 2s, max_interval: 1m, multiplier: 3}")
    retry = delivery_settings(config)[CLICKHOUSE].retry
    assert (retry.initial_interval, retry.max_interval, retry.multiplier) == (2.0, 60.0, 3.0)


def test_the_memory_limiter_bounds_what_waits() -> None:
    config = configured(
        "processors.memory_limiter={limit_mib: 24, spike_limit_mib: 8}",
        "service.pipelines.traces.processors=[memory_limiter]",
    )
    mebibyte = 1 << 20
    assert memory_limit(config) == 16 * mebibyte
    assert pipeline_settings(config).handoff_bytes == 2 * mebibyte
    assert delivery_settings(config)[CLICKHOUSE].buffer_bytes == 8 * mebibyte


def test_a_memory_limiter_raises_no_bound() -> None:
    config = configured(
        "processors.memory_limiter={limit_mib: 100000}", "service.pipelines.traces.processors=[memory_limiter]"
    )
    assert pipeline_settings(config) == pipeline_settings(configured())
    assert delivery_settings(config) == delivery_settings(configured())


def test_what_has_no_effect_is_told() -> None:
    config = configured(
        "exporters.clickhouse.retry_on_failure={enabled: false, max_elapsed_time: 5m}",
        "exporters.clickhouse.sending_queue={queue_size: 10}",
        "service.telemetry.metrics.views=[{}]",
    )
    assert list(without_effect(config)) == [
        "exporters::clickhouse::retry_on_failure::enabled: false has no effect; failed writes are always repeated",
        "exporters::clickhouse::retry_on_failure::max_elapsed_time has no effect; "
        "nothing acknowledged is dropped after a time",
        "exporters::clickhouse::sending_queue::queue_size has no effect; "
        "the log is bounded by file_storage::max_bytes and when_full",
        "service::telemetry::metrics::views has no effect",
    ]


def test_workers_cannot_share_a_socket_in_the_file_system() -> None:
    text = """\
receivers: {otlp: {protocols: {grpc: {transport: unix, endpoint: /run/otlp.sock}}}}
exporters: {debug: }
service:
  workers: 2
  pipelines: {traces: {receivers: [otlp], exporters: [debug]}}
"""
    with pytest.raises(InvalidConfiguration) as refused:
        load_config(["c.yaml"], read=lambda _: text)
    assert (
        "receivers::otlp::protocols::grpc::endpoint: one process can listen on a socket in the file system, and "
        "service::workers is 2"
    ) in str(refused.value)


def test_what_a_receiver_ignores_is_told_with_its_place() -> None:
    text = """\
receivers: {otlp: {protocols: {grpc: {read_buffer_size: 1024}}}}
exporters: {debug: }
service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}
"""
    assert list(without_effect(load_config(["c.yaml"], read=lambda _: text))) == [
        "receivers::otlp::protocols::grpc::read_buffer_size has no effect; buffers have sizes of their own"
    ]
