"""Spring AI."""

from spanledger.mapping.dialects.base import CHAIN, RETRIEVER, SKIP, TOOL, Dialect, Kinds

DIALECT = Dialect(
    code="spring_ai",
    title="Spring AI",
    rank=65,
    keys={
        "spring.ai.tool.definition.name": "tool_name",
        "spring.ai.tool.definition.description": "tool_description",
        "spring.ai.tool.call.arguments": "tool_input",
        "spring.ai.tool.call.result": "tool_output",
        "spring.ai.tool.call.id": "tool_call_id",
        "spring.ai.chat.client.conversation.id": "session_id",
        "spring.ai.chat.client.advisor.param.chat_memory_conversation_id": "session_id",
        "spring.ai.advisor.name": "component_name",
        "spring.ai.model.request.tool.names": "tool_definitions",
        "db.vector.query.content": "retrieval_query",
        "db.vector.query.response.documents": "retrieval_documents",
    },
    kinds=(
        Kinds(
            "spring.ai.kind",
            29,  # before gen_ai.operation.name, which is `framework` on all of these
            {"chat_client": CHAIN, "advisor": SKIP, "tool_call": TOOL, "vector_store": RETRIEVER},
        ),
    ),
    markers=("kind_spring_ai",),
    exclusive_cache=("anthropic",),
    absent={"session_id": frozenset({"default"})},
)
