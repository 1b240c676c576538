"""Keys that are accepted and change nothing: each is told, once, when it is given another value."""

from __future__ import annotations

from spanledger.config import load_config
from spanledger.config.pipeline import without_effect

CONFIG = """\
receivers:
  otlp: {protocols: {grpc: {write_buffer_size: 1024}, http: {write_timeout: 10s}}}
processors:
  memory_limiter: {check_interval: 5s, limit_mib: 4000, min_gc_interval_when_soft_limited: 20s}
  probabilistic_sampler: {sampling_percentage: 50, mode: proportional, sampling_precision: 4}
exporters:
  debug: {use_internal_logger: false, verbosity: normal}
  otlp/next: {endpoint: "127.0.0.1:14317", tls: {insecure: true}, wait_for_ready: true}
  otlp_http/next:
    endpoint: http://127.0.0.1:14318
    force_attempt_http2: false
    sending_queue: {sizer: bytes, wait_for_result: true, num_consumers: 4}
    retry_on_failure: {randomization_factor: 0.1}
extensions:
  health_check: {check_collector_pipeline: {enabled: true, interval: 5m}}
  file_storage: {directory: log, fsync: false, compaction: {on_start: true}}
service:
  extensions: [file_storage, health_check]
  telemetry:
    logs: {level: WARN, development: true, error_output_paths: [stderr]}
    metrics:
      readers:
        - periodic: {timeout: 5000, exporter: {otlp: {endpoint: "http://127.0.0.1:14318"}}}
  pipelines:
    traces:
      receivers: [otlp]
      processors: [memory_limiter, probabilistic_sampler]
      exporters: [debug, otlp/next, otlp_http/next]
"""


def test_each_is_told_with_its_place_and_its_reason() -> None:
    told = list(without_effect(load_config(["c.yaml"], read=lambda _: CONFIG)))
    assert told == [
        "receivers::otlp::protocols::grpc::write_buffer_size has no effect; buffers have sizes of their own",
        "receivers::otlp::protocols::http::write_timeout has no effect; answers are a few hundred bytes",
        "processors::memory_limiter::check_interval has no effect; what waits is counted when it arrives, and the "
        "memory of the process looked at then",
        "processors::memory_limiter::min_gc_interval_when_soft_limited has no effect; no collection is forced",
        "processors::probabilistic_sampler::mode has no effect; a trace is kept or dropped by its id in every mode",
        "exporters::debug::use_internal_logger has no effect; records go to standard output",
        "exporters::otlp/next::wait_for_ready has no effect; a write to a server that is away is repeated",
        "exporters::otlp_http/next::sending_queue::num_consumers has no effect; the log is bounded by "
        "file_storage::max_bytes and when_full",
        "exporters::otlp_http/next::force_attempt_http2 has no effect; HTTP/1.1 is spoken",
        "exporters::otlp_http/next::sending_queue::sizer has no effect; as queue_size",
        "exporters::otlp_http/next::sending_queue::wait_for_result has no effect; a sender is answered when its data "
        "is safe in the log",
        "exporters::otlp_http/next::retry_on_failure::randomization_factor has no effect; each wait is a random part "
        "of its bound",
        "extensions::health_check::check_collector_pipeline::enabled has no effect; a store that is away is degraded, "
        "see component_health",
        "extensions::file_storage::compaction has no effect; the log deletes its files when they are delivered",
        "extensions::file_storage::fsync has no effect; every acknowledged entry is synced",
        "service::telemetry::logs::development has no effect",
        "service::telemetry::metrics::readers::periodic::timeout has no effect; the exporter's own holds",
    ]


def test_attributes_of_the_resource_may_be_a_list() -> None:
    text = """\
receivers: {otlp: {protocols: {http: }}}
exporters: {debug: }
service:
  telemetry:
    logs: {level: Error, initial_fields: {replica: 2, canary: true}}
    resource: {attributes: [{name: service.name, value: ledger}, {name: host.name, value: one}]}
  pipelines: {traces: {receivers: [otlp], exporters: [debug]}}
"""
    telemetry = load_config(["c.yaml"], read=lambda _: text).telemetry
    assert telemetry.resource == {"service.name": "ledger", "host.name": "one"}
    assert (telemetry.logs.level, telemetry.logs.initial_fields) == ("error", {"replica": 2, "canary": True})
