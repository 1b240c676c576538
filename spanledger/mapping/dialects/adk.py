"""Google ADK."""

from spanledger.mapping.dialects.base import AGENT, CHAIN, LLM, SKIP, Dialect, name

DIALECT = Dialect(
    code="adk",
    title="Google ADK",
    rank=60,
    keys={
        "gcp.vertex.agent.llm_request": "request_body",
        "gcp.vertex.agent.llm_response": "response_body",
        "gcp.vertex.agent.tool_call_args": "tool_input",
        "gcp.vertex.agent.tool_response": "tool_output",
        "gcp.vertex.agent.session_id": "session_id",
    },
    scopes=("gcp.vertex.agent",),
    names=(
        name(r"invocation", CHAIN, scope="gcp.vertex.agent"),
        name(r"agent_run .*", AGENT, scope="gcp.vertex.agent"),
        name(r"call_llm", LLM, scope="gcp.vertex.agent"),
        name(r"execute_tool \(merged( tools)?\)", SKIP, scope="gcp.vertex.agent", overrides=True),
    ),
    absent={"request_body": frozenset({"{}", "N/A"}), "response_body": frozenset({"{}", "N/A"})},
)
