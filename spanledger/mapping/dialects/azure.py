"""Azure AI Inference and Agents SDKs."""

from spanledger.mapping.dialects.base import Dialect

DIALECT = Dialect(
    code="azure",
    title="Azure AI Inference and Agents SDKs",
    rank=62,
    keys={"gen_ai.message.id": "request_id"},
    scopes=("azure.ai.", "Azure.AI.", "azure.core.tracing."),
)
