"""vLLM and other inference servers."""

from spanledger.mapping.dialects.base import LLM, Dialect, name

DIALECT = Dialect(
    code="vllm",
    title="vLLM and other inference servers",
    rank=70,
    keys={"gen_ai.latency.time_to_first_token": "ttft_s"},
    scopes=("vllm", "text_generation_router", "text-generation-inference"),
    names=(name(r"llm_request", LLM, scope="vllm"),),
)
