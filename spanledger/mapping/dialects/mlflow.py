"""MLflow."""

from spanledger.mapping.dialects.base import (
    AGENT,
    CHAIN,
    EMBED,
    EVALUATOR,
    GUARDRAIL,
    LLM,
    RERANK,
    RETRIEVER,
    TOOL,
    Dialect,
    Kinds,
)

DIALECT = Dialect(
    code="mlflow",
    title="MLflow",
    rank=44,
    keys={
        "mlflow.spanInputs": "raw_input",
        "mlflow.spanOutputs": "raw_output",
        "mlflow.chat.tokenUsage": "usage_document",
        "mlflow.chat.tools": "tool_definitions",
        "mlflow.trace.user": "user_id",
        "mlflow.trace.session": "session_id",
        "mlflow.trace.tags": "tags",
        "mlflow.spanFunctionName": "run_name",
        "mlflow.llm.model": "model_name",
        "mlflow.llm.provider": "hosting",
    },
    kinds=(
        Kinds(
            "mlflow.spanType",
            15,
            {
                "llm": LLM,
                "chat_model": LLM,
                "chain": CHAIN,
                "workflow": CHAIN,
                "task": CHAIN,
                "parser": CHAIN,
                "unknown": CHAIN,
                "agent": AGENT,
                "tool": TOOL,
                "retriever": RETRIEVER,
                "embedding": EMBED,
                "reranker": RERANK,
                "memory": RETRIEVER,
                "evaluator": EVALUATOR,
                "guardrail": GUARDRAIL,
            },
        ),
    ),
    scopes=("mlflow",),
    markers=("kind_mlflow",),
)
