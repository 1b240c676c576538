"""OpenTelemetry botocore (Bedrock runtime)."""

from spanledger.mapping.dialects.base import Dialect

DIALECT = Dialect(
    code="botocore",
    title="OpenTelemetry botocore (Bedrock runtime)",
    rank=61,
    keys={"aws.request_id": "response_id"},
    scopes=("opentelemetry.instrumentation.botocore",),
    exclusive_cache=("*",),
)
