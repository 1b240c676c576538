"""LiveKit Agents."""

from spanledger.mapping.dialects.base import AGENT, CHAIN, LLM, PASS, TOOL, Dialect, name

DIALECT = Dialect(
    code="livekit",
    title="LiveKit Agents",
    rank=69,
    keys={
        "lk.pii.chat_ctx": "raw_input",
        "lk.chat_ctx": "raw_input",
        "lk.pii.user_input": "raw_input",
        "lk.user_input": "raw_input",
        "lk.pii.response.text": "raw_output",
        "lk.response.text": "raw_output",
        "lk.pii.response.function_calls": "response_tool_calls",
        "lk.response.function_calls": "response_tool_calls",
        "lk.pii.instructions": "system_instructions",
        "lk.instructions": "system_instructions",
        "lk.response.ttft": "ttft_s",
        "lk.function_tool.name": "tool_name",
        "lk.function_tool.id": "tool_call_id",
        "lk.pii.function_tool.arguments": "tool_input",
        "lk.function_tool.arguments": "tool_input",
        "lk.pii.function_tool.output": "tool_output",
        "lk.function_tool.output": "tool_output",
        "lk.function_tool.is_error": "tool_failed",
        "lk.agent_name": "agent_name",
        "lk.room_sid": "session_id",
        "lk.job_id": "session_id",
        "lk.pii.participant_identity": "user_id",
        "lk.participant_identity": "user_id",
    },
    scopes=("livekit-agents",),
    names=(
        name(r"agent_turn", AGENT, scope="livekit-agents"),
        name(r"(agent_session|user_turn)", CHAIN, scope="livekit-agents"),
        name(r"function_tool", TOOL, scope="livekit-agents"),
        name(r"(llm_node|llm_request|llm_request_run)", LLM, scope="livekit-agents"),
        name(
            r"(user_speaking|eou_detection|tts_request_run|start_agent_activity|drain_agent_activity|on_enter)",
            PASS,
            scope="livekit-agents",
            overrides=True,
        ),
    ),
)
