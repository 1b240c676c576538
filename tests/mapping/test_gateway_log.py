"""Documents of a gateway's request log to runs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from spanledger.mapping import Mapper
from spanledger.model.client_event import ClientEvent
from spanledger.model.records import Run, Thread
from tests.mapping.build import PRICES, PROJECT


def document(**attributes: Any) -> dict[str, Any]:
    return {
        "timestamp": "2026-03-01T10:00:02.000Z",
        "resource": {"service.name": "gateway", "deployment.environment": "prod"},
        "name": "ai_gateway_request_log",
        "attributes": {
            "id": "msg-1",
            "threadId": "t1",
            "user_id": "ada",
            "project_id": "7",
            "provider": "groq",
            "model": "llama-3.3-70b-versatile",
            "request": {
                "model": "llama-3.3-70b-versatile",
                "messages": [{"role": "user", "content": "Hi"}],
                "temperature": 0.2,
                "stream": False,
            },
            "response": {
                "id": "chatcmpl-1",
                "model": "llama-3.3-70b-versatile",
                "choices": [
                    {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
                ],
                "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12},
            },
            "metadata": {"latency": 1500, "cost": 0.25, "status": "success", "plan": "pro"},
            **attributes,
        },
    }


def mapped(*documents: dict[str, Any]) -> tuple[Run, list[Thread]]:
    records = Mapper(PRICES).add(PROJECT, [ClientEvent("gateway", each) for each in documents], 1)
    runs = [record for record in records if isinstance(record, Run)]
    return runs[0], [record for record in records if isinstance(record, Thread)]


def test_a_document_is_a_model_call() -> None:
    run, (thread,) = mapped(document())

    assert (run.type, run.provider, run.model, run.status, run.source) == (
        "llm",
        "groq",
        "llama-3.3-70b-versatile",
        "success",
        "gateway_log",
    )
    assert (run.external_id, run.response_id, run.user_id, run.session_id) == ("msg-1", "chatcmpl-1", "ada", "t1")
    assert (run.duration_ns, run.ended_at) == (1_500_000_000, run.started_at + 1_500_000_000)
    assert run.usage is not None
    assert (run.usage.input_tokens, run.usage.output_tokens, run.billable) == (10, 2, True)
    assert run.cost is not None
    assert run.cost.reported == Decimal("0.25")
    assert run.input == [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]
    assert run.output[0]["parts"] == [{"type": "text", "content": "Hello"}]
    assert (run.finish_reasons, run.params["temperature"], run.environment) == (["stop"], 0.2, "prod")
    assert run.metadata == {"plan": "pro", "gateway.project_id": "7"}
    assert thread.session_id == "t1"


def chunk(**delta: Any) -> dict[str, Any]:
    finish = delta.pop("finish", None)
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def test_the_chunks_of_a_stream_are_folded() -> None:
    last = chunk(finish="stop") | {"x_groq": {"usage": {"prompt_tokens": 7, "completion_tokens": 3}}}
    run, _ = mapped(
        document(
            response={
                "id": "chatcmpl-2",
                "choices": [{"index": 0, "delta": {"role": "assistant", "content": "One two"}}],
                "streamed_data": [
                    chunk(role="assistant", content=""),
                    chunk(content="One "),
                    chunk(content="two"),
                    last,
                ],
            }
        )
    )

    assert run.output[0]["parts"] == [{"type": "text", "content": "One two"}]
    assert run.usage is not None
    assert (run.usage.input_tokens, run.usage.output_tokens, run.finish_reasons) == (7, 3, ["stop"])
    assert "stream_differs" not in run.warnings


def test_chunks_count_where_the_assembled_answer_differs() -> None:
    run, _ = mapped(
        document(
            response={
                "choices": [{"index": 0, "delta": {"content": "something else"}}],
                "streamed_data": [chunk(role="assistant", content="said")],
            }
        )
    )

    assert run.output[0]["parts"] == [{"type": "text", "content": "said"}]
    assert "stream_differs" in run.warnings


def test_a_streamed_tool_call_is_put_together() -> None:
    def piece(**function: str) -> dict[str, Any]:
        return chunk(tool_calls=[{"index": 0, "id": "c1" if "name" in function else None, "function": function}])

    run, _ = mapped(
        document(response={"streamed_data": [piece(name="find", arguments='{"a"'), piece(arguments=": 1}")]})
    )

    (part,) = run.output[0]["parts"]
    assert (part["type"], part["name"], part["arguments"], part["id"]) == ("tool_call", "find", {"a": 1}, "c1")


def test_an_error_is_one() -> None:
    run, _ = mapped(document(response={"error": {"type": "rate_limit", "message": "slow down", "code": 429}}))

    assert run.status == "error"
    assert run.error is not None
    assert (run.error.type, run.error.message, run.error.code) == ("rate_limit", "slow down", "429")


def test_a_document_that_comes_again_is_the_same_run() -> None:
    anonymous = document(id=None, response={})

    assert mapped(anonymous)[0] == mapped(anonymous)[0]
    assert mapped(document())[0].run_id == mapped(document())[0].run_id


def test_a_document_of_nothing_is_a_run_of_nothing() -> None:
    run, threads = mapped({"attributes": {}})

    assert (run.usage, run.cost, run.billable, threads) == (None, None, False, [])
