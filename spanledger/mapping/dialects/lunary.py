"""Lunary: attributes of its own (`lunary.*`) and the names its documentation tells users to set."""

from spanledger.mapping.dialects.base import (
    AGENT,
    CHAIN,
    EMBED,
    LLM,
    RETRIEVER,
    TOOL,
    Dialect,
    Kinds,
)

DIALECT = Dialect(
    code="lunary",
    title="Lunary",
    rank=10,
    keys={
        "lunary.name": "run_name",
        "lunary.user_id": "user_id",
        "lunary.user.id": "user_id",
        "lunary_user_id": "user_id",
        "lunary.user_props": "user_props",
        "lunary.user.props": "user_props",
        "lunary_user_props": "user_props",
        "lunary.thread_id": "session_id",
        "lunary.thread.id": "session_id",
        "lunary_thread_id": "session_id",
        "lunary.tags": "tags",
        "lunary.metadata": "meta_document",
        "lunary.template_id": "prompt_name",
        "lunary.template_version_id": "prompt_version",
        "lunary.input": "raw_input",
        "lunary.output": "raw_output",
    },
    groups={"lunary.metadata.": "meta"},
    kinds=(
        Kinds(
            "lunary.run.type",
            5,
            {
                "llm": LLM,
                "embed": EMBED,
                "agent": AGENT,
                "tool": TOOL,
                "chain": CHAIN,
                "retriever": RETRIEVER,
                "thread": "thread",
                "chat": "chat",
            },
        ),
    ),
    scopes=("lunary",),
    markers=("kind_lunary",),
)
