"""OpenTelemetry Google GenAI instrumentation."""

from spanledger.mapping.dialects.base import Dialect

DIALECT = Dialect(
    code="google_genai",
    title="OpenTelemetry Google GenAI instrumentation",
    rank=73,
    groups={"gcp.gen_ai.operation.config.": "settings"},
    scopes=("opentelemetry.instrumentation.google_genai",),
)
