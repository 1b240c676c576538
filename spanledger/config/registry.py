"""Every component there is."""

from __future__ import annotations

from typing import Final

from spanledger.config.components import Component, Kind, Registry, registry

COMPONENTS: Final[Registry] = registry(
    Component(
        Kind.RECEIVERS,
        "otlp",
        "OTLP over gRPC and HTTP: traces, logs and metrics, protobuf and JSON",
        "spanledger.receiver.settings:OtlpReceiverSettings",
        "spanledger.receiver.otlp:OtlpReceiver",
    ),
    Component(
        Kind.PROCESSORS,
        "batch",
        "how many records one write to a store holds, and how long it waits for them",
        "spanledger.config.processors:BatchProcessorSettings",
    ),
    Component(
        Kind.PROCESSORS,
        "memory_limiter",
        "how much memory what waits inside may take",
        "spanledger.config.processors:MemoryLimiterSettings",
    ),
    Component(
        Kind.PROCESSORS,
        "attributes",
        "changes attributes of spans, log records and data points",
        "spanledger.processors.attributes:AttributesSettings",
        "spanledger.processors.attributes:AttributesProcessor",
    ),
    Component(
        Kind.PROCESSORS,
        "resource",
        "changes attributes of resources",
        "spanledger.processors.attributes:ResourceSettings",
        "spanledger.processors.attributes:ResourceProcessor",
    ),
    Component(
        Kind.PROCESSORS,
        "filter",
        "drops what a condition (OTTL) holds for",
        "spanledger.processors.filter:FilterSettings",
        "spanledger.processors.filter:FilterProcessor",
    ),
    Component(
        Kind.PROCESSORS,
        "transform",
        "changes telemetry by statements (OTTL)",
        "spanledger.processors.transform:TransformSettings",
        "spanledger.processors.transform:TransformProcessor",
    ),
    Component(
        Kind.PROCESSORS,
        "redaction",
        "masks values and deletes attributes that nobody listed",
        "spanledger.processors.redaction:RedactionSettings",
        "spanledger.processors.redaction:RedactionProcessor",
    ),
    Component(
        Kind.PROCESSORS,
        "probabilistic_sampler",
        "keeps a share of the traces",
        "spanledger.processors.sampler:SamplerSettings",
        "spanledger.processors.sampler:SamplerProcessor",
    ),
    Component(
        Kind.PROCESSORS,
        "python",
        "runs a function or class of your own",
        "spanledger.processors.python:PythonSettings",
        "spanledger.processors.python:PythonProcessor",
    ),
    Component(
        Kind.EXPORTERS,
        "clickhouse",
        "runs into a ClickHouse server (http://, https://) or the embedded engine (chdb:///path)",
        "spanledger.exporters.clickhouse.settings:ClickHouseSettings",
        "spanledger.exporters.clickhouse:ClickHouseExporter",
        store_at="spanledger.exporters.clickhouse:ClickHouseStore",
        admin_at="spanledger.exporters.clickhouse:ClickHouseAdmin",
    ),
    Component(
        Kind.EXPORTERS,
        "postgres",
        "runs into PostgreSQL 14 or newer",
        "spanledger.exporters.postgres.settings:PostgresSettings",
        "spanledger.exporters.postgres:PostgresExporter",
        store_at="spanledger.exporters.postgres:PostgresStore",
        admin_at="spanledger.exporters.postgres:PostgresAdmin",
    ),
    Component(
        Kind.EXPORTERS,
        "debug",
        "records to the log, for a look at what arrives",
        "spanledger.exporters.debug:DebugSettings",
        "spanledger.exporters.debug:DebugExporter",
    ),
    Component(
        Kind.EXPORTERS,
        "file",
        "records as JSON lines into a file",
        "spanledger.exporters.file:FileSettings",
        "spanledger.exporters.file:FileExporter",
    ),
    Component(
        Kind.EXTENSIONS,
        "api",
        "reads runs from a store: GET /v1/runs and GET /v1/runs/{id}",
        "spanledger.api.settings:ApiSettings",
        "spanledger.api:ApiServer",
    ),
    Component(
        Kind.EXTENSIONS,
        "projects",
        "keys per project: who may send and read, and how much",
        "spanledger.access.settings:ProjectsSettings",
        "spanledger.access.projects:Projects",
        authenticates=True,
    ),
    Component(
        Kind.EXTENSIONS,
        "bearertokenauth",
        "one token for all senders",
        "spanledger.access.settings:BearerTokenAuthSettings",
        "spanledger.access.bearer:BearerTokenAuth",
        authenticates=True,
    ),
    Component(
        Kind.EXTENSIONS,
        "basicauth",
        "users and passwords of an htpasswd file",
        "spanledger.access.settings:BasicAuthSettings",
        "spanledger.access.basic:BasicAuth",
        authenticates=True,
    ),
    Component(
        Kind.EXTENSIONS,
        "health_check",
        "answers 200 when the process accepts data, else 503",
        "spanledger.telemetry.settings:HealthCheckSettings",
        "spanledger.telemetry.health:HealthCheck",
    ),
    Component(
        Kind.EXTENSIONS,
        "file_storage",
        "the durable log: what was acknowledged is on disk before the sender hears of it",
        "spanledger.pipeline.settings:FileStorageSettings",
    ),
)
