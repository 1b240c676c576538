"""Frameworks and servers with a few keys of their own beside the semantic conventions: one table each."""

from spanledger.mapping.dialects.base import (
    AGENT,
    CHAIN,
    EMBED,
    EVALUATOR,
    GUARDRAIL,
    LLM,
    MERGE,
    PASS,
    RERANK,
    RETRIEVER,
    TOOL,
    WRAP,
    Dialect,
    Kinds,
    name,
)

MLFLOW = Dialect(
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
        "mlflow.llm.model": "request_model",
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

WEAVE = Dialect(
    code="weave",
    title="W&B Weave",
    rank=56,
    keys={"wandb.thread_id": "session_id", "wandb.attributes": "meta_document"},
    kinds=(
        Kinds(
            "weave.span.kind", 16, {"llm": LLM, "tool": TOOL, "agent": AGENT, "chain": CHAIN, "retriever": RETRIEVER}
        ),
    ),
    markers=("kind_weave",),
)

BRAINTRUST = Dialect(
    code="braintrust",
    title="Braintrust",
    rank=43,
    keys={
        "braintrust.input_json": "raw_input",
        "braintrust.input": "raw_input",
        "braintrust.output_json": "raw_output",
        "braintrust.output": "raw_output",
        "braintrust.metadata": "meta_document",
        "braintrust.metrics": "usage_document",
        "braintrust.tags": "tags",
    },
    groups={"braintrust.metadata.": "meta"},
    kinds=(
        Kinds(
            "braintrust.span_attributes.type",
            17,
            {"llm": LLM, "task": CHAIN, "tool": TOOL, "function": TOOL, "score": EVALUATOR, "eval": EVALUATOR},
        ),
    ),
    scopes=("braintrust",),
    markers=("kind_braintrust",),
)

ADK = Dialect(
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
        name(r"execute_tool \(merged tools\)", PASS, scope="gcp.vertex.agent", overrides=True),
    ),
    absent={"request_body": frozenset({"{}", "N/A"}), "response_body": frozenset({"{}", "N/A"})},
)

STRANDS = Dialect(
    code="strands",
    title="Strands Agents",
    rank=58,
    keys={
        "system_prompt": "system_instructions",
        "gen_ai.agent.tools": "request_parameters",
    },
    scopes=("strands",),
    names=(
        name(r"execute_event_loop_cycle.*", CHAIN, scope="strands"),
        name(r"(chat|model_invoke|Model invoke).*", LLM, scope="strands"),
        name(r"(Tool: |execute_tool ).*", TOOL, scope="strands"),
    ),
    exclusive_cache=("anthropic", "aws.bedrock"),
)

BOTOCORE = Dialect(
    code="botocore",
    title="OpenTelemetry botocore (Bedrock runtime)",
    rank=61,
    keys={"aws.request_id": "response_id"},
    scopes=("opentelemetry.instrumentation.botocore",),
    exclusive_cache=("*",),
)

AZURE = Dialect(
    code="azure",
    title="Azure AI Inference and Agents SDKs",
    rank=62,
    keys={"gen_ai.message.id": "request_id"},
    scopes=("azure.ai.", "Azure.AI."),
)

SEMANTIC_KERNEL = Dialect(
    code="semantic_kernel",
    title="Semantic Kernel",
    rank=63,
    scopes=("semantic_kernel.", "Microsoft.SemanticKernel"),
)

MICROSOFT_AGENTS = Dialect(
    code="agent_framework",
    title="Microsoft Agent Framework and Microsoft.Extensions.AI",
    rank=64,
    keys={"workflow.name": "workflow_name"},
    scopes=(
        "agent_framework",
        "Experimental.Microsoft.Agents.AI",
        "Microsoft.Extensions.AI",
        "Experimental.Microsoft.Extensions.AI",
    ),
    names=(
        name(r"orchestrate_tools", CHAIN),
        name(r"workflow\.build|message\.send|edge_group\.process.*", PASS, overrides=True),
        name(r"workflow\.run|executor\.process .*", CHAIN),
    ),
)

SPRING = Dialect(
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
        "db.vector.query.content": "retrieval_query",
        "db.vector.query.response.documents": "retrieval_documents",
    },
    kinds=(
        Kinds(
            "spring.ai.kind",
            52,
            {"chat_client": CHAIN, "advisor": PASS, "tool_call": TOOL, "vector_store": RETRIEVER},
        ),
    ),
    markers=("kind_spring_ai",),
    exclusive_cache=("anthropic",),
    absent={"session_id": frozenset({"default"})},
)

QUARKUS = Dialect(
    code="langchain4j",
    title="Quarkus LangChain4j",
    rank=66,
    keys={"gen_ai.client.estimated_cost": "cost_total"},
    names=(
        name(r"completion .+", LLM, scope="io.quarkus"),
        name(r"langchain4j\.aiservices\..+", CHAIN),
        name(r"langchain4j\.tools\..+", TOOL),
    ),
)

LITELLM = Dialect(
    code="litellm",
    title="LiteLLM",
    rank=67,
    keys={
        "error.stack_trace": "error_stack",
        "error.llm_provider": "hosting",
        "metadata.user_api_key_end_user_id": "user_id",
        "metadata.user_api_key_user_id": "user_id",
        "metadata.session_id": "session_id",
        "metadata.litellm_session_id": "session_id",
        "metadata.tags": "tags",
        "metadata.request_tags": "tags",
    },
    scopes=("litellm",),
    names=(
        name(r"raw_gen_ai_request", MERGE, scope="litellm", overrides=True),
        name(
            r"(auth|redis|postgres|self|router|proxy_pre_call|batch_write_to_db.*|add_litellm_data_to_request)",
            PASS,
            scope="litellm",
            overrides=True,
        ),
        name(r"guardrail", GUARDRAIL, scope="litellm"),
    ),
)

HAYSTACK = Dialect(
    code="haystack",
    title="Haystack",
    rank=57,
    keys={
        "haystack.component.name": "component_name",
        "haystack.component.input": "raw_input",
        "haystack.component.output": "raw_output",
        "haystack.pipeline.name": "workflow_name",
        "haystack.pipeline.input_data": "raw_input",
        "haystack.pipeline.output_data": "raw_output",
    },
    kinds=(
        Kinds(
            "haystack.component.type",
            55,
            {"*": CHAIN},
            suffixes=(
                ("generator", LLM),
                ("embedder", EMBED),
                ("retriever", RETRIEVER),
                ("ranker", RERANK),
                ("toolinvoker", TOOL),
                ("agent", AGENT),
            ),
        ),
    ),
    names=(
        name(r"haystack\.(async_)?pipeline\.run", CHAIN),
        name(r"haystack\.agent\.run", AGENT),
    ),
    absent={"raw_input": frozenset({"{}"}), "raw_output": frozenset({"{}"})},
)

CREWAI = Dialect(
    code="crewai",
    title="CrewAI telemetry",
    rank=68,
    scopes=("crewai.telemetry",),
    names=(name(r".*", PASS, scope="crewai.telemetry", overrides=True),),
)

GENKIT = Dialect(
    code="genkit",
    title="Genkit",
    rank=59,
    keys={
        "genkit:name": "run_name",
        "genkit:input": "raw_input",
        "genkit:output": "raw_output",
    },
    kinds=(
        Kinds(
            "genkit:metadata:subtype",
            51,
            {
                "model": LLM,
                "background-model": LLM,
                "embedder": EMBED,
                "tool": TOOL,
                "tool.v2": TOOL,
                "retriever": RETRIEVER,
                "reranker": RERANK,
                "evaluator": EVALUATOR,
                "flow": CHAIN,
                "agent": AGENT,
                "userfeedback": PASS,
                "useracceptance": PASS,
            },
        ),
        Kinds("genkit:type", 71, {"action": CHAIN, "flow": CHAIN, "util": PASS, "dotprompt": CHAIN}),
    ),
    scopes=("genkit",),
    markers=("kind_genkit",),
)

MASTRA = Dialect(
    code="mastra",
    title="Mastra",
    rank=53,
    keys={
        "mastra.agent_run.input": "raw_input",
        "mastra.agent_run.output": "raw_output",
        "mastra.model_generation.input": "raw_input",
        "mastra.model_generation.output": "raw_output",
        "mastra.model_step.input": "raw_input",
        "mastra.model_step.output": "raw_output",
        "mastra.metadata.body": "response_body",
        "mastra.workflow_run.input": "raw_input",
        "mastra.workflow_run.output": "raw_output",
        "mastra.workflow_step.input": "raw_input",
        "mastra.workflow_step.output": "raw_output",
        "mastra.tool_call.input": "tool_input",
        "mastra.tool_call.output": "tool_output",
        "mastra.mcp_tool_call.input": "tool_input",
        "mastra.mcp_tool_call.output": "tool_output",
        "mastra.rag_embedding.input": "embed_input",
        "mastra.rag_embedding.dimensions": "dimensions",
        "mastra.completion_start_time": "first_token_at",
        "mastra.tags": "tags",
    },
    groups={"mastra.metadata.": "meta"},
    kinds=(
        Kinds(
            "mastra.span.type",
            18,
            {
                "agent_run": AGENT,
                "workflow_run": CHAIN,
                "workflow_step": CHAIN,
                "workflow_conditional": CHAIN,
                "workflow_parallel": CHAIN,
                "workflow_loop": CHAIN,
                "workflow_sleep": CHAIN,
                "model_generation": LLM,
                "llm_generation": LLM,
                "model_step": WRAP,
                "model_inference": LLM,
                "model_chunk": PASS,
                "llm_chunk": PASS,
                "tool_call": TOOL,
                "mcp_tool_call": TOOL,
                "provider_tool_call": TOOL,
                "rag_embedding": EMBED,
                "processor_run": CHAIN,
                "generic": CHAIN,
            },
        ),
    ),
    scopes=("@mastra/",),
    markers=("kind_mastra",),
)

LIVEKIT = Dialect(
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

VLLM = Dialect(
    code="vllm",
    title="vLLM and other inference servers",
    rank=70,
    keys={"gen_ai.latency.time_to_first_token": "ttft_s"},
    scopes=("vllm", "text_generation_router", "text-generation-inference"),
    names=(name(r"llm_request", LLM, scope="vllm"),),
)

CODING_AGENTS = Dialect(
    code="coding_agents",
    title="Claude Code, Gemini CLI, Codex CLI, Copilot, VoltAgent",
    rank=75,
    keys={
        "model": "request_model",
        "request_id": "request_id",
        "stop_reason": "finish_reasons",
        "input_tokens": "usage_input",
        "output_tokens": "usage_output",
        "cache_read_tokens": "usage_cache_read",
        "cache_creation_tokens": "usage_cache_write",
        "cost_usd": "cost_total",
        "ttft_ms": "ttft_ms",
        "tool_use_id": "tool_call_id",
        "user_prompt": "raw_input",
        "response.model_output": "raw_output",
        "copilot_chat.session_id": "session_id",
        "copilot_chat.time_to_first_token": "ttft_ms",
        "conversation.id": "session_id",
        "voltagent.conversation_id": "session_id",
        "llm.messages": "raw_input",
        "agent.messages": "raw_input",
        "coding_agent.session.id": "session_id",
    },
    kinds=(
        Kinds(
            "span.type",
            53,
            {
                "interaction": AGENT,
                "llm_request": LLM,
                "tool": TOOL,
                "hook": CHAIN,
                "agent": AGENT,
                "llm": LLM,
                "retriever": RETRIEVER,
                "memory": RETRIEVER,
                "workflow": CHAIN,
            },
        ),
    ),
    scopes=("com.anthropic.claude_code", "gemini-cli", "codex_otel"),
    names=(
        name(r"claude_code\.tool\.(execution|blocked_on_user)", MERGE, overrides=True),
        name(r"coding_agent\.hook\..*", PASS, overrides=True),
    ),
    exclusive_cache=("anthropic",),
)

ANTHROPIC_NATIVE = Dialect(
    code="anthropic_native",
    title="Anthropic SDK and platform spans",
    rank=71,
    scopes=("com.anthropic.",),
    names=(
        name(r"anthropic\.messages.*", LLM, scope="com.anthropic."),
        name(r"anthropic\.tool_use .*", TOOL, scope="com.anthropic."),
    ),
)

OPENROUTER = Dialect(
    code="openrouter",
    title="OpenRouter broadcast and other gateways",
    rank=72,
    keys={
        "trace.metadata.openrouter.provider_name": "hosting",
        "trace.metadata.openrouter.first_token_ms": "ttft_ms",
        "trace.metadata.openrouter.creator_user_id": "user_id",
    },
    groups={"trace.metadata.": "meta"},
    scopes=("openrouter",),
    names=(name(r"generation|provider attempt .*", PASS, scope="openrouter", overrides=True),),
)

GOOGLE_GENAI = Dialect(
    code="google_genai",
    title="OpenTelemetry Google GenAI instrumentation",
    rank=73,
    groups={"gcp.gen_ai.operation.config.": "settings"},
    scopes=("opentelemetry.instrumentation.google_genai",),
)

GENERIC = Dialect(
    code="generic",
    title="Plain names that many people choose",
    rank=95,
    keys={
        "prompt_tokens": "usage_input",
        "completion_tokens": "usage_output",
        "input_token_count": "usage_input",
        "output_token_count": "usage_output",
        "cached_token_count": "usage_cache_read",
        "cache_write_token_count": "usage_cache_write",
        "reasoning_token_count": "usage_reasoning",
        "total_tokens": "usage_total",
        "input": "raw_input",
        "prompt": "raw_input",
        "query": "raw_input",
        "question": "raw_input",
        "output": "raw_output",
        "response": "raw_output",
        "result": "raw_output",
        "answer": "raw_output",
        "tags": "tags",
        "thread_id": "session_id",
        "session_id": "session_id",
        "user_id": "user_id",
        "sentry.environment": "environment",
        "env": "environment",
        "service.version": "release",
        "app.version": "release",
        "vcs.ref.head.revision": "release",
        "url.full": "api_base",
    },
)

DIALECTS = (
    MLFLOW, WEAVE, BRAINTRUST, ADK, STRANDS, BOTOCORE, AZURE, SEMANTIC_KERNEL, MICROSOFT_AGENTS, SPRING, QUARKUS,
    LITELLM, HAYSTACK, CREWAI, GENKIT, MASTRA, LIVEKIT, VLLM, CODING_AGENTS, ANTHROPIC_NATIVE, OPENROUTER,
    GOOGLE_GENAI, GENERIC,
)  # fmt: skip
