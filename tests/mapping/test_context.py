"""User, session, tags, metadata and deployment: what a span says of itself, and what it takes from above."""

from __future__ import annotations

import itertools

import pytest

from spanledger.model.records import Thread
from spanledger.model.span import Value
from tests.mapping.build import Ledger, agent, at, chat, infrastructure, only_run, run_id, tool

# --- user ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        "lunary.user_id",
        "lunary.user.id",
        "langfuse.user.id",
        "langfuse.trace.user_id",
        "user.id",
        "enduser.id",
        "gen_ai.user.id",
        "traceloop.association.properties.user_id",
        "traceloop.association.properties.userId",
        "traceloop.association.properties.langfuse_user_id",
        "lmnr.association.properties.user_id",
        "ai.telemetry.metadata.userId",
        "ai.telemetry.metadata.lunary_user_id",
        "ai.settings.context.userId",
        "langsmith.metadata.user_id",
        "mlflow.trace.user",
        "metadata.user_api_key_end_user_id",
        "trace.metadata.openrouter.creator_user_id",
        "lk.participant_identity",
        "user_id",
    ],
)
def test_keys_of_a_user(key: str) -> None:
    assert only_run(chat({key: "u1"})).user_id == "u1"


@pytest.mark.parametrize("document", ['{"user_id":"u1"}', {"user_id": "u1"}, '{"userId":"u1","plan":"pro"}'])
def test_a_user_in_a_metadata_document(document: Value) -> None:
    assert only_run(chat({"metadata": document})).user_id == "u1"


@pytest.mark.parametrize(("written", "read"), [(7, "7"), (" u1 ", "u1"), ("", None), ("None", None), (True, None)])
def test_a_user_is_text(written: Value, read: str | None) -> None:
    assert only_run(chat({"user.id": written})).user_id == read


def test_what_the_application_told_lunary_beats_the_standard_key() -> None:
    facts = {"user.id": "standard", "lunary.user_id": "explicit", "langfuse.user.id": "langfuse"}
    assert only_run(chat(facts)).user_id == "explicit"


def test_user_properties() -> None:
    run = only_run(chat({"user.id": "u1", "user.email": "a@example.com", "user.roles": ["admin"]}))
    assert run.user_props == {"email": "a@example.com", "roles": ["admin"]}


def test_lunarys_user_properties_are_json() -> None:
    assert only_run(chat({"lunary.user_props": '{"plan":"pro"}'})).user_props == {"plan": "pro"}


def test_the_users_parameter_of_the_api_is_a_user_where_nobody_says_more() -> None:
    assert only_run(chat({"gen_ai.request.user": "u1"})).user_id == "u1"


def test_the_users_parameter_of_the_api_gives_way_to_a_user_above() -> None:
    ledger = Ledger(agent({"user.id": "above"}, id=1), chat({"gen_ai.request.user": "api"}, id=2, parent=1))
    assert ledger.run(2).user_id == "above"


def test_a_user_on_the_resource_is_the_user_of_all_its_spans_that_name_none() -> None:
    """Claude Code and Codex CLI put the user there."""
    resource = {"user.id": "u1", "session.id": "s1"}
    ledger = Ledger(agent(id=1, resource=resource), chat({"user.id": "own"}, id=2, parent=1, resource=resource))
    assert (ledger.run(1).user_id, ledger.run(1).session_id, ledger.run(1).inherited) == ("u1", "s1", [])
    assert ledger.run(2).user_id == "own"


# --- session ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        "lunary.thread_id",
        "langfuse.session.id",
        "langfuse.trace.session_id",
        "session.id",
        "gen_ai.conversation.id",
        "gen_ai.session.id",
        "traceloop.association.properties.session_id",
        "traceloop.association.properties.thread_id",
        "lmnr.association.properties.session_id",
        "ai.telemetry.metadata.sessionId",
        "ai.telemetry.metadata.lunary_thread_id",
        "ai.telemetry.metadata.chatId",
        "langsmith.metadata.thread_id",
        "gcp.vertex.agent.session_id",
        "gen_ai.thread.id",
        "spring.ai.chat.client.conversation.id",
        "mlflow.trace.session",
        "wandb.thread_id",
        "metadata.session_id",
        "lk.room_sid",
        "voltagent.conversation_id",
        "conversation.id",
        "thread_id",
    ],
)
def test_keys_of_a_session(key: str) -> None:
    assert only_run(chat({key: "s1"})).session_id == "s1"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mcp.session.id", "transport"),
        ("langsmith.trace.session_name", "project"),
        ("langsmith.trace.session_id", "project"),
        ("spring.ai.chat.client.conversation.id", "default"),
        ("gen_ai.conversation.id", ""),
    ],
)
def test_what_is_no_session(key: str, value: str) -> None:
    assert only_run(chat({key: value})).session_id is None


def test_a_previous_response_id_is_no_session() -> None:
    """Microsoft's Agent Framework puts it there with the Responses API; it changes each turn."""
    facts = {"gen_ai.conversation.id": "resp_0123", "metadata": '{"thread_id":"s1"}'}
    assert only_run(chat(facts)).session_id == "s1"


# --- inheritance -----------------------------------------------------------------------------------------------------


def test_a_run_takes_user_and_session_from_the_nearest_ancestor_that_states_them() -> None:
    ledger = Ledger(
        agent({"user.id": "far", "session.id": "s1"}, id=1),
        agent({"user.id": "near"}, id=2, parent=1),
        chat(id=3, parent=2),
    )
    run = ledger.run(3)
    assert (run.user_id, run.session_id, run.inherited) == ("near", "s1", ["user_id", "session_id"])


def test_own_values_are_not_marked_as_inherited() -> None:
    run = only_run(chat({"user.id": "u1", "session.id": "s1"}))
    assert run.inherited == []


def test_user_properties_come_with_the_user() -> None:
    ledger = Ledger(agent({"user.id": "u1", "user.email": "a@example.com"}, id=1), chat(id=2, parent=1))
    assert ledger.run(2).user_props == {"email": "a@example.com"}


def test_a_user_on_the_http_span_that_is_no_run_reaches_the_runs_below_it() -> None:
    ledger = Ledger(infrastructure(id=1, attributes={"user.id": "u1"}), chat(id=2, parent=1))
    assert (ledger.run(2).user_id, ledger.run(2).inherited) == ("u1", ["user_id"])


def test_a_user_that_only_a_descendant_names_is_promoted_when_all_agree() -> None:
    ledger = Ledger(agent(id=1), chat({"user.id": "u1"}, id=2, parent=1), tool(id=3, parent=1))
    assert (ledger.run(1).user_id, ledger.run(1).inherited) == ("u1", ["user_id"])
    assert ledger.run(3).user_id == "u1"


def test_a_user_is_not_promoted_when_two_differ() -> None:
    ledger = Ledger(agent(id=1), chat({"user.id": "u1"}, id=2, parent=1), chat({"user.id": "u2"}, id=3, parent=1))
    assert (ledger.run(1).user_id, ledger.run(2).user_id, ledger.run(3).user_id) == (None, "u1", "u2")


def test_a_session_is_promoted_when_it_is_the_only_one() -> None:
    ledger = Ledger(agent(id=1), chat({"gen_ai.conversation.id": "s1"}, id=2, parent=1))
    assert (ledger.run(1).session_id, ledger.run(1).inherited) == ("s1", ["session_id"])


def test_a_promotion_is_taken_back_when_a_second_user_appears() -> None:
    ledger = Ledger(agent(id=1), chat({"user.id": "u1"}, id=2, parent=1))
    assert ledger.run(1).user_id == "u1"
    ledger.add(chat({"user.id": "u2"}, id=3, parent=1))
    assert (ledger.run(1).user_id, ledger.run(1).inherited) == (None, [])


def test_users_of_one_trace_say_nothing_of_another() -> None:
    ledger = Ledger(chat({"user.id": "u1"}, trace=1), chat(trace=2))
    assert ledger.run(1, trace=2).user_id is None


# --- tags and metadata -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "tags"),
    [
        ({"tag.tags": ["a", "b"]}, ["a", "b"]),
        ({"tag.tags": '["a", "b"]'}, ["a", "b"]),
        ({"langfuse.trace.tags": "a,b"}, ["a", "b"]),
        ({"langfuse.trace.tags": "a"}, ["a"]),
        ({"lunary.tags": ["a", "a", ""]}, ["a"]),
        ({"langsmith.span.tags": "a, seq:step:1, langsmith:hidden, graph:step:2"}, ["a"]),
        ({"ai.telemetry.metadata.tags": ["a"]}, ["a"]),
        ({"traceloop.association.properties.tags": ["a"]}, ["a"]),
        ({"lmnr.association.properties.tags": ["a"]}, ["a"]),
        ({"logfire.tags": ["a"]}, ["a"]),
        ({"metadata.tags": "['a', 'b']"}, ["a", "b"]),
        ({"metadata": '{"tags":["a"],"plan":"pro"}'}, ["a"]),
        ({"tag.tags": ["a"], "metadata": '{"tags":["b","a"]}'}, ["a", "b"]),
        ({}, []),
    ],
)
def test_tags(facts: dict[str, Value], tags: list[str]) -> None:
    assert only_run(chat(facts)).tags == tags


@pytest.mark.parametrize(
    ("facts", "metadata"),
    [
        ({"metadata": '{"plan":"pro","seats":3,"beta":true,"team":{"id":7},"empty":"","none":null}'},
         {"plan": "pro", "seats": "3", "beta": "true", "team": '{"id":7}'}),
        ({"ai.telemetry.metadata.plan": "pro"}, {"plan": "pro"}),
        ({"traceloop.association.properties.plan": "pro"}, {"plan": "pro"}),
        ({"langfuse.trace.metadata.plan": '"pro"'}, {"plan": "pro"}),
        ({"langfuse.observation.metadata.a.b": "x", "langfuse.observation.metadata.a": "y"}, {"a.b": "x", "a": "y"}),
        ({"lunary.metadata": '{"plan":"pro"}'}, {"plan": "pro"}),
        ({"lunary.metadata.plan": "pro"}, {"plan": "pro"}),
        ({"langsmith.metadata.plan": "pro"}, {"plan": "pro"}),
        ({"mastra.metadata.plan": "pro"}, {"plan": "pro"}),
        ({"braintrust.metadata": '{"plan":"pro"}'}, {"plan": "pro"}),
        ({"trace.metadata.plan": "pro"}, {"plan": "pro"}),
        ({"app.metadata.plan": "pro"}, {"plan": "pro"}),
        ({"plan": "pro", "seats": 3}, {"plan": "pro", "seats": "3"}),
    ],
)  # fmt: skip
def test_metadata(facts: dict[str, Value], metadata: dict[str, str]) -> None:
    assert only_run(chat(facts)).metadata == metadata


def test_user_and_session_are_taken_out_of_the_metadata() -> None:
    run = only_run(chat({"metadata": '{"user_id":"u1","session_id":"s1","plan":"pro"}'}))
    assert (run.user_id, run.session_id, run.metadata) == ("u1", "s1", {"plan": "pro"})


def test_an_attribute_of_nobodys_namespace_is_the_applications_metadata() -> None:
    run = only_run(chat({"checkout.step": "pay", "http.request.method": "POST", "server.port": 443}))
    assert run.metadata == {"checkout.step": "pay"}
    assert run.attributes == {"http.request.method": "POST", "server.port": 443}


def test_long_and_nested_values_of_nobodys_namespace_stay_attributes() -> None:
    run = only_run(chat({"checkout.cart": [1, 2], "checkout.page": "x" * 600}))
    assert run.metadata == {}
    assert run.attributes == {"checkout.cart": [1, 2], "checkout.page": "x" * 600}


def test_metadata_and_tags_are_not_handed_down_from_run_to_run() -> None:
    ledger = Ledger(agent({"metadata": '{"plan":"pro"}', "tag.tags": ["a"]}, id=1), chat(id=2, parent=1))
    assert (ledger.run(2).metadata, ledger.run(2).tags) == ({}, [])


def test_noise_donates_its_tags_and_metadata_to_the_runs_right_below_it() -> None:
    ledger = Ledger(
        infrastructure(id=1, attributes={"app.tags": ["beta"], "app.metadata.plan": "pro"}),
        infrastructure("GET", id=2, parent=1),
        agent({"tag.tags": ["own"], "metadata": '{"plan":"basic"}'}, id=3, parent=2),
        chat(id=4, parent=3),
        agent(id=5, parent=1),
    )
    assert (ledger.run(3).tags, ledger.run(3).metadata) == (["own", "beta"], {"plan": "basic"})
    assert (ledger.run(5).tags, ledger.run(5).metadata) == (["beta"], {"plan": "pro"})
    assert (ledger.run(4).tags, ledger.run(4).metadata) == ([], {})


# --- deployment ------------------------------------------------------------------------------------------------------


def test_deployment_from_the_resource() -> None:
    run = only_run(
        chat(
            resource={
                "service.name": "shop",
                "service.version": "1.2.3",
                "deployment.environment.name": "production",
            },
            scope="openlit",
        )
    )
    assert (run.service_name, run.service_version, run.release) == ("shop", "1.2.3", "1.2.3")
    assert (run.environment, run.scope_name, run.scope_version) == ("production", "openlit", None)


@pytest.mark.parametrize("name", ["unknown_service", "unknown_service:node", "", None])
def test_an_unknown_service_has_no_name(name: str | None) -> None:
    assert only_run(chat(resource={"service.name": name})).service_name is None


def test_what_the_span_says_of_its_deployment_beats_the_resource() -> None:
    facts = {"langfuse.environment": "staging", "langfuse.release": "abc"}
    resource = {"deployment.environment": "production", "service.version": "1"}
    run = only_run(chat(facts, resource=resource))
    assert (run.environment, run.release) == ("staging", "abc")


def test_openlits_default_environment_is_none() -> None:
    assert only_run(chat({"gen_ai.environment": "default", "gen_ai.application_name": "default"})).environment is None


def test_an_environment_is_handed_down() -> None:
    ledger = Ledger(agent({"langfuse.environment": "staging"}, id=1), chat(id=2, parent=1))
    assert ledger.run(2).environment == "staging"


# --- threads ---------------------------------------------------------------------------------------------------------


def test_a_session_makes_a_thread() -> None:
    ledger = Ledger(agent({"session.id": "s1", "user.id": "u1"}, id=1, start=2), chat(id=2, parent=1, start=3))
    (thread,) = ledger.threads
    assert (thread.session_id, thread.user_id, thread.started_at) == ("s1", "u1", at(2))


def test_equal_sessions_of_two_projects_are_two_threads() -> None:
    first = Ledger(chat({"session.id": "s1"}), project="a").threads[0]
    second = Ledger(chat({"session.id": "s1"}), project="b").threads[0]
    assert first.thread_id != second.thread_id


def test_a_thread_over_several_traces_starts_with_its_first_run_whatever_came_first() -> None:
    early = chat({"session.id": "s1"}, trace=1, start=0)
    late = agent({"session.id": "s1"}, id=1, trace=2, start=60)
    later = chat(id=2, parent=1, trace=2, start=61)
    for order in itertools.permutations((early, late, later)):
        ledger = Ledger()
        for one in order:
            ledger.add(one)
        assert [thread.started_at for thread in ledger.threads] == [at(0)]


def test_a_thread_is_given_again_when_its_user_becomes_known() -> None:
    ledger = Ledger(chat({"session.id": "s1"}, id=2, parent=1, start=1))
    ledger.add(agent({"user.id": "u1"}, id=1, start=1))
    (thread,) = ledger.threads
    assert thread.user_id == "u1"


def test_a_thread_that_did_not_change_is_not_given_again() -> None:
    ledger = Ledger(chat({"session.id": "s1"}, id=1))
    again = ledger.add(chat(id=2, parent=1))
    assert [record for record in again if isinstance(record, Thread)] == []


def test_sessions_that_differ_within_a_trace_are_threads_of_their_own() -> None:
    ledger = Ledger(chat({"session.id": "s1"}, id=1), chat({"session.id": "s2"}, id=2))
    assert sorted(thread.session_id for thread in ledger.threads) == ["s1", "s2"]
    assert ledger.run(1).parent_run_id is None
    assert run_id(1) != run_id(2)
