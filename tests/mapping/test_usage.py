"""Usage in one convention: input with cache reads and writes, output with reasoning, unknown is null.

The same key means different things with different emitters; each test names the emitter and does the sum.
"""

from __future__ import annotations

import pytest

from spanledger.model.records import Usage
from spanledger.model.span import Value
from tests.mapping.build import agent, only_run, span, usage_of

ANTHROPIC = {"gen_ai.provider.name": "anthropic", "gen_ai.request.model": "claude-haiku-4-5"}
BEDROCK = {"gen_ai.provider.name": "aws.bedrock", "gen_ai.request.model": "us.anthropic.claude-haiku-4-5-v1:0"}
OLD_ANTHROPIC = {"gen_ai.system": "anthropic", "gen_ai.request.model": "claude-haiku-4-5"}


def usage(facts: dict[str, Value], scope: str = "") -> Usage:
    return usage_of(span({"gen_ai.operation.name": "chat", **facts}, scope=scope))


def told(facts: dict[str, Value], scope: str = "") -> tuple[int | None, ...]:
    """(input, output, cache read, cache write, reasoning)"""
    found = usage(facts, scope)
    return (
        found.input_tokens,
        found.output_tokens,
        found.cache_read_tokens,
        found.cache_write_tokens,
        found.reasoning_tokens,
    )


def tokens(
    given: Value, output: Value = 5, total: Value = None, read: Value = None, write: Value = None
) -> dict[str, Value]:
    """Counters in the newest spelling of the semantic conventions."""
    named = {
        "gen_ai.usage.input_tokens": given,
        "gen_ai.usage.output_tokens": output,
        "gen_ai.usage.total_tokens": total,
        "gen_ai.usage.cache_read.input_tokens": read,
        "gen_ai.usage.cache_creation.input_tokens": write,
    }
    return {key: value for key, value in named.items() if value is not None}


# --- spellings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "output"),
    [
        ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"),
        ("gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens"),
        ("llm.token_count.prompt", "llm.token_count.completion"),
        ("llm.usage.prompt_tokens", "llm.usage.completion_tokens"),
        ("ai.usage.inputTokens", "ai.usage.outputTokens"),
        ("ai.usage.promptTokens", "ai.usage.completionTokens"),
        ("gen_ai.token.usage.input", "gen_ai.token.usage.output"),
        ("input_tokens", "output_tokens"),
        ("prompt_tokens", "completion_tokens"),
        ("input_token_count", "output_token_count"),
    ],
)
def test_keys_of_input_and_output(given: str, output: str) -> None:
    assert told({given: 56, output: 5}) == (56, 5, None, None, None)


@pytest.mark.parametrize(
    "key",
    [
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.input_tokens.cached",
        "gen_ai.usage.cached_input_tokens",
        "gen_ai.usage.cached_tokens",
        "gen_ai.usage.prompt_tokens_cached",
        "gen_ai.usage.input_cached_tokens",
        "gen_ai.usage.prompt_tokens_details.cached_tokens",
        "gen_ai.usage.cache.read_input_tokens",
        "gen_ai.usage.details.cache_read_tokens",
        "gen_ai.usage.details.cached_tokens",
        "gen_ai.usage.details.cached_content_tokens",
        "llm.token_count.prompt_details.cache_read",
        "llm.token_count.prompt_details.cache_input",
        "ai.usage.cachedInputTokens",
        "ai.usage.inputTokenDetails.cacheReadTokens",
        "cache_read_tokens",
        "cached_token_count",
    ],
)
def test_keys_of_cache_reads(key: str) -> None:
    assert usage({**tokens(56), key: 40}).cache_read_tokens == 40


@pytest.mark.parametrize(
    "key",
    [
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_input_tokens",
        "gen_ai.usage.input_tokens.cache_write",
        "gen_ai.usage.input_tokens.cache_creation",
        "gen_ai.usage.prompt_tokens_details.cache_creation_tokens",
        "gen_ai.usage.cache.creation_input_tokens",
        "gen_ai.usage.details.cache_write_tokens",
        "gen_ai.usage.details.cache_creation_input_tokens",
        "llm.token_count.prompt_details.cache_write",
        "ai.usage.inputTokenDetails.cacheWriteTokens",
        "cache_creation_tokens",
        "cache_write_token_count",
    ],
)
def test_keys_of_cache_writes(key: str) -> None:
    assert usage({**tokens(56), key: 40}).cache_write_tokens == 40


@pytest.mark.parametrize(
    "key",
    [
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "llm.usage.reasoning_tokens",
        "gen_ai.usage.output_tokens.reasoning",
        "gen_ai.usage.completion_tokens_details.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
        "ai.usage.reasoningTokens",
        "ai.usage.outputTokenDetails.reasoningTokens",
        "gen_ai.usage.details.reasoning_tokens",
        "gen_ai.usage.details.thoughts_tokens",
        "reasoning_token_count",
    ],
)
def test_keys_of_reasoning(key: str) -> None:
    assert told({**tokens(56, 50), key: 40}) == (56, 50, None, None, 40)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("gen_ai.usage.audio.input_tokens", "input_audio_tokens"),
        ("gen_ai.usage.audio_input_tokens", "input_audio_tokens"),
        ("gen_ai.usage.input_audio_tokens", "input_audio_tokens"),
        ("llm.token_count.prompt_details.audio", "input_audio_tokens"),
        ("gen_ai.usage.details.input_audio_tokens", "input_audio_tokens"),
        ("gen_ai.usage.audio.output_tokens", "output_audio_tokens"),
        ("gen_ai.usage.completion_tokens_details.audio_tokens", "output_audio_tokens"),
        ("gen_ai.usage.audio.cache_read.input_tokens", "cache_audio_read_tokens"),
        ("gen_ai.usage.image.input_tokens", "input_image_tokens"),
    ],
)
def test_keys_of_other_subsets(key: str, name: str) -> None:
    assert getattr(usage({**tokens(56), key: 4}), name) == 4


def test_the_newest_spelling_wins() -> None:
    assert told({"llm.token_count.prompt": 1, "gen_ai.usage.prompt_tokens": 2, **tokens(56)})[:2] == (56, 5)


# --- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", [56, "56", " 56 ", 56.0, "56.0"])
def test_counts_come_as_integers_doubles_and_strings(written: Value) -> None:
    assert usage(tokens(written)).input_tokens == 56


@pytest.mark.parametrize(
    "written", [True, False, "many", "", -1, "-1", float("nan"), float("inf"), [56], {"a": 56}, b"56"]
)
def test_what_is_no_count_is_unknown(written: Value) -> None:
    assert usage(tokens(written)).input_tokens is None


def test_a_fraction_of_a_token_is_no_count() -> None:
    assert usage(tokens(56.5)).input_tokens is None


def test_only_a_total_is_kept_beside() -> None:
    found = usage({"gen_ai.usage.total_tokens": 61})
    assert (found.input_tokens, found.output_tokens, found.extra) == (None, None, {"total_tokens": 61})


def test_embeddings_have_no_output() -> None:
    facts = {"ai.operationId": "ai.embed.doEmbed", "ai.usage.tokens": 8}
    found = usage_of(span(facts))
    assert (found.input_tokens, found.output_tokens) == (8, None)


def test_no_counter_at_all_is_unknown_usage() -> None:
    assert only_run(span({"gen_ai.operation.name": "chat"})).usage is None


def test_counters_that_nobody_names_are_kept_as_extra() -> None:
    facts = {**tokens(56), "gen_ai.usage.details.accepted_prediction_tokens": 7}
    assert usage(facts).extra == {"accepted_prediction_tokens": 7}


# --- cache: inside the input, or beside it ---------------------------------------------------------------------------
# 100 tokens were sent: 10 fresh, 80 read from the cache, 10 written to it. Inclusive emitters say 100, others 10.

INSIDE = tokens(100, read=80, write=10)
BESIDE = tokens(10, read=80, write=10)
ALL = (100, 5, 80, 10, None)


@pytest.mark.parametrize(
    ("scope", "facts"),
    [
        ("", ANTHROPIC),
        ("opentelemetry.instrumentation.anthropic", OLD_ANTHROPIC),
        ("opentelemetry.instrumentation.openai.v1", {"gen_ai.system": "openai"}),
        ("openinference.instrumentation.anthropic", {"llm.provider": "anthropic"}),
        ("pydantic-ai", ANTHROPIC),
        ("logfire.anthropic", OLD_ANTHROPIC),
        ("openlit", {"gen_ai.system": "openai"}),
        ("lmnr.sdk", OLD_ANTHROPIC),
        ("litellm", {"gen_ai.system": "anthropic"}),
    ],
)
def test_emitters_that_count_the_cache_inside(scope: str, facts: dict[str, Value]) -> None:
    found = usage({**facts, **INSIDE}, scope)
    assert (found.input_tokens, found.convention) == (100, "inclusive")


@pytest.mark.parametrize(
    ("scope", "facts"),
    [
        ("openlit", OLD_ANTHROPIC),
        ("openlit", {"gen_ai.system": "aws.bedrock"}),
        ("opentelemetry.instrumentation.bedrock", {"gen_ai.system": "AWS"}),
        (
            "strands.telemetry.tracer",
            {"gen_ai.system": "strands-agents", "gen_ai.request.model": "us.anthropic.claude"},
        ),
        ("com.anthropic.claude_code.tracing", ANTHROPIC),
        ("", OLD_ANTHROPIC),
    ],
)
def test_emitters_that_count_the_cache_beside(scope: str, facts: dict[str, Value]) -> None:
    found = usage({**facts, **tokens(1000, read=80, write=10)}, scope)
    assert (found.input_tokens, found.convention) == (1090, "exclusive_converted")


def test_more_cache_than_input_proves_that_it_stands_beside() -> None:
    assert told({**ANTHROPIC, **BESIDE}) == ALL


def test_a_real_call_of_claude_code() -> None:
    facts = {"input_tokens": 2, "output_tokens": 9, "cache_read_tokens": 84562, "cache_creation_tokens": 7096}
    assert told({**ANTHROPIC, **facts}) == (91660, 9, 84562, 7096, None)


def test_a_total_with_the_cache_proves_that_it_stands_beside() -> None:
    """OpenInference's Bedrock converse: prompt 1000, total 1095 = 1000 + 5 + 80 + 10."""
    facts = {"llm.provider": "aws", **tokens(1000, total=1095, read=80, write=10)}
    assert told(facts, "openinference.instrumentation.bedrock") == (1090, 5, 80, 10, None)


def test_a_total_with_the_cache_reads_alone_proves_it_too() -> None:
    facts = {"llm.provider": "aws", **tokens(1000, total=1085, read=80, write=10)}
    assert told(facts, "openinference.instrumentation.bedrock") == (1090, 5, 80, 10, None)


def test_a_total_of_input_and_output_proves_nothing() -> None:
    assert told({**ANTHROPIC, **tokens(1000, total=1005, read=80)}) == (1000, 5, 80, None, None)
    assert told({**OLD_ANTHROPIC, **tokens(1000, total=1005, read=80)}) == (1080, 5, 80, None, None)


def test_a_total_that_is_too_small_is_ignored() -> None:
    assert told({**ANTHROPIC, **tokens(1000, total=3, read=80)}) == (1000, 5, 80, None, None)


def test_no_cache_needs_no_decision() -> None:
    found = usage({**OLD_ANTHROPIC, **tokens(56, read=0, write=0)})
    assert (found.input_tokens, found.cache_read_tokens, found.convention) == (56, 0, "inclusive")


@pytest.mark.parametrize(("stated", "expected"), [(10, 100), (100, 100)])
def test_anthropics_own_counters_beside_show_what_the_stated_number_means(stated: int, expected: int) -> None:
    raw = '{"input_tokens":10,"output_tokens":5,"cache_read_input_tokens":80,"cache_creation_input_tokens":10}'
    for key in ("gen_ai.usage.raw", "mlflow.chat.tokenUsage"):
        assert usage({**OLD_ANTHROPIC, **tokens(stated), key: raw}).input_tokens == expected


def test_anthropics_own_counters_alone_are_converted() -> None:
    body = '{"id":"msg_1","content":[],"usage":{"input_tokens":10,"output_tokens":5,"cache_read_input_tokens":80,'
    body += '"cache_creation_input_tokens":10,"cache_creation":{"ephemeral_5m_input_tokens":4,'
    body += '"ephemeral_1h_input_tokens":6}}}'
    found = usage({**OLD_ANTHROPIC, "output.value": body})
    assert (found.input_tokens, found.cache_write_tokens, found.cache_write_1h_tokens) == (100, 10, 6)


def test_openais_own_counters_alone() -> None:
    body = '{"usage":{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"prompt_tokens_details":'
    body += (
        '{"cached_tokens":80,"audio_tokens":3},"completion_tokens_details":{"reasoning_tokens":40,"audio_tokens":2}}}'
    )
    found = usage({"gen_ai.system": "openai", "response_data": body})
    assert told({"gen_ai.system": "openai", "response_data": body}) == (100, 50, 80, None, 40)
    assert (found.input_audio_tokens, found.output_audio_tokens) == (3, 2)


def test_bedrock_converse_own_counters_alone() -> None:
    body = '{"usage":{"inputTokens":10,"outputTokens":5,"cacheReadInputTokens":80,"cacheWriteInputTokens":10}}'
    assert told({"gen_ai.system": "aws.bedrock", "output.value": body}) == ALL


def test_cache_writes_by_time_to_live_add_up() -> None:
    facts = {
        "gen_ai.usage.cache_creation.input_tokens.ephemeral_5m": 4,
        "gen_ai.usage.cache_creation.input_tokens.ephemeral_1h": 6,
    }
    found = usage({**ANTHROPIC, **tokens(100, read=80), **facts})
    assert (found.input_tokens, found.cache_write_tokens, found.cache_write_1h_tokens) == (100, 10, 6)


def test_a_family_that_counts_beside_without_any_hint_is_marked_ambiguous() -> None:
    facts = {"gen_ai.request.model": "claude-haiku-4-5", **tokens(1000, read=80)}
    found = usage(facts)
    assert (found.input_tokens, found.convention) == (1000, "ambiguous")


# --- AI SDK ----------------------------------------------------------------------------------------------------------

DO_GENERATE = {"ai.operationId": "ai.generateText.doGenerate", "gen_ai.system": "anthropic.messages"}


def test_ai_sdk_5_counts_anthropics_cache_beside() -> None:
    facts = {"ai.usage.inputTokens": 1000, "ai.usage.outputTokens": 5, "ai.usage.cachedInputTokens": 80}
    found = usage_of(span({**DO_GENERATE, **facts}, scope="ai"))
    assert (found.input_tokens, found.cache_read_tokens, found.convention) == (1080, 80, "exclusive_converted")


def test_ai_sdk_5_counts_openais_cache_inside() -> None:
    facts = {"ai.usage.inputTokens": 100, "ai.usage.outputTokens": 5, "ai.usage.cachedInputTokens": 80}
    found = usage_of(span({**DO_GENERATE, "gen_ai.system": "openai.responses", **facts}, scope="ai"))
    assert (found.input_tokens, found.convention) == (100, "inclusive")


def test_ai_sdk_4_has_its_cache_counters_in_the_provider_metadata_alone() -> None:
    metadata = '{"anthropic":{"cacheReadInputTokens":80,"cacheCreationInputTokens":10}}'
    facts = {"ai.usage.promptTokens": 1000, "ai.usage.completionTokens": 5, "ai.response.providerMetadata": metadata}
    found = usage_of(span({**DO_GENERATE, **facts}, scope="ai"))
    assert (found.input_tokens, found.cache_read_tokens, found.cache_write_tokens) == (1090, 80, 10)


def test_ai_sdk_6_counts_every_cache_inside_and_its_details_tell() -> None:
    facts = {
        "ai.usage.inputTokens": 1090,
        "ai.usage.outputTokens": 5,
        "ai.usage.inputTokenDetails.noCacheTokens": 1000,
        "ai.usage.inputTokenDetails.cacheReadTokens": 80,
        "ai.usage.inputTokenDetails.cacheWriteTokens": 10,
    }
    found = usage_of(span({**DO_GENERATE, **facts}, scope="ai"))
    assert (found.input_tokens, found.convention) == (1090, "inclusive")


def test_ai_sdk_7_writes_the_new_conventions_and_counts_inside() -> None:
    found = usage({**ANTHROPIC, **tokens(1090, read=80, write=10)}, scope="gen_ai")
    assert (found.input_tokens, found.convention) == (1090, "inclusive")


# --- buckets ---------------------------------------------------------------------------------------------------------


def test_langfuse_keeps_every_bucket_apart() -> None:
    details = '{"input":10,"input_cached_tokens":80,"output":5,"total":95}'
    facts = {"langfuse.observation.type": "generation", "langfuse.observation.usage_details": details}
    assert told(facts) == (90, 5, 80, None, None)


def test_langfuses_buckets_of_anthropic() -> None:
    details = '{"input":10,"input_cache_read":80,"input_cache_creation":10,"output":5,"total":105}'
    facts = {"langfuse.observation.type": "generation", "langfuse.observation.usage_details": details}
    assert told(facts) == ALL


def test_langfuses_plain_buckets() -> None:
    facts = {"langfuse.observation.type": "generation", "langfuse.observation.usage_details": '{"input":56,"output":5}'}
    assert told(facts) == (56, 5, None, None, None)


def test_langsmiths_usage_metadata() -> None:
    metadata = '{"input_tokens":100,"output_tokens":50,"total_tokens":150,"input_token_details":{"cache_read":80},'
    metadata += '"output_token_details":{"reasoning":40}}'
    assert told({"langsmith.span.kind": "llm", "langsmith.usage_metadata": metadata}) == (100, 50, 80, None, 40)


# --- reasoning -------------------------------------------------------------------------------------------------------


def test_reasoning_is_part_of_the_output() -> None:
    assert told({**tokens(56, 50), "gen_ai.usage.reasoning_tokens": 40}) == (56, 50, None, None, 40)


def test_reasoning_that_the_total_counts_beside_the_output_is_added() -> None:
    """AI SDK 4 and 5 with Google: output holds the candidates alone; 56 + 10 + 40 = 106."""
    facts = {"ai.usage.inputTokens": 56, "ai.usage.outputTokens": 10, "ai.usage.totalTokens": 106}
    assert told({**facts, "ai.usage.reasoningTokens": 40}) == (56, 50, None, None, 40)


def test_more_reasoning_than_output_is_added() -> None:
    assert told({**tokens(56, 10), "gen_ai.usage.reasoning_tokens": 40}) == (56, 50, None, None, 40)


def test_geminis_own_counters_have_thoughts_beside_candidates() -> None:
    body = '{"usageMetadata":{"promptTokenCount":56,"candidatesTokenCount":10,"thoughtsTokenCount":40,'
    body += '"totalTokenCount":106}}'
    assert told({"gen_ai.system": "gemini", "gcp.vertex.agent.llm_response": body}) == (56, 50, None, None, 40)


def test_geminis_tool_prompt_is_added_to_the_input() -> None:
    body = '{"usageMetadata":{"promptTokenCount":56,"toolUsePromptTokenCount":20,"candidatesTokenCount":10}}'
    assert told({"gen_ai.system": "gemini", "output.value": body})[:2] == (76, 10)


def test_geminis_thoughts_beside_the_candidates_that_ai_sdk_5_calls_output() -> None:
    metadata = '{"google":{"usageMetadata":{"candidatesTokenCount":10,"thoughtsTokenCount":40}}}'
    facts = {"ai.usage.inputTokens": 56, "ai.usage.outputTokens": 10, "ai.response.providerMetadata": metadata}
    assert told(facts, "ai") == (56, 50, None, None, 40)


def test_reasoning_without_output_is_kept_alone() -> None:
    found = usage({"gen_ai.usage.input_tokens": 56, "gen_ai.usage.reasoning_tokens": 40})
    assert (found.output_tokens, found.reasoning_tokens) == (None, 40)


# --- speed -----------------------------------------------------------------------------------------------------------


def test_tokens_per_second_count_from_the_first_token() -> None:
    facts = {"gen_ai.operation.name": "chat", **tokens(56, 50), "gen_ai.response.time_to_first_chunk": 0.5}
    assert only_run(span(facts, start=0, end=1)).tokens_per_second == 100.0


def test_tokens_per_second_of_a_call_without_a_first_token_count_from_the_start() -> None:
    assert only_run(span({"gen_ai.operation.name": "chat", **tokens(56, 50)}, end=2)).tokens_per_second == 25.0


def test_an_agent_has_no_tokens_per_second() -> None:
    assert only_run(agent(tokens=(56, 50))).tokens_per_second is None


# --- disagreement ----------------------------------------------------------------------------------------------------


def test_two_dialects_that_disagree_are_marked_and_the_stronger_one_counts() -> None:
    facts = {"gen_ai.operation.name": "chat", **tokens(56, 50), "llm.token_count.prompt": 57}
    run = only_run(span(facts))

    assert run.usage is not None
    assert run.usage.input_tokens == 56
    assert run.attributes == {"llm.token_count.prompt": 57}
    assert run.warnings == ["usage_conflict"]


@pytest.mark.parametrize(
    ("attributes", "scope"),
    [
        ({"ai.operationId": "ai.generateText.doGenerate", "ai.model.provider": "anthropic.messages"}, "ai"),
        ({"gen_ai.system": "aws.bedrock"}, "opentelemetry.instrumentation.botocore.bedrock-runtime"),
    ],
)
def test_an_emitter_with_no_place_for_what_was_cached_is_marked(attributes: dict[str, Value], scope: str) -> None:
    tokens = {"gen_ai.usage.input_tokens": 25, "gen_ai.usage.output_tokens": 12, "gen_ai.request.model": "claude-x"}
    run = only_run(span({"gen_ai.operation.name": "chat", **tokens, **attributes}, scope=scope))
    assert run.usage is not None
    assert (run.usage.input_tokens, run.usage.convention) == (25, "ambiguous")
    assert "cache_tokens_unknown" in run.warnings
