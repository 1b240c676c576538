"""What only the whole trace tells: parents, inheritance, which runs bill, and cost.

`resolve` is a pure function of the drafts of one trace: whatever the order in which spans arrived, the same set gives
the same runs. docs/mapping.md explains the billing rules R1 to R7.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from spanledger.mapping import messages as shapes
from spanledger.mapping.coerce import text
from spanledger.mapping.cost import Call, PriceList
from spanledger.mapping.dialects.base import (
    AGENT,
    CHAIN,
    EMBED,
    FUNCTION,
    LLM,
    MERGE,
    RERANK,
    SKIP,
    TOOL,
    WEAK_CHAIN,
    WRAP,
)
from spanledger.mapping.draft import Draft
from spanledger.mapping.params import params_of, streaming_of
from spanledger.mapping.responses import MOST_VIEWS, counters_in, is_identity
from spanledger.model.ids import run_id_of_span
from spanledger.model.records import Cost, Run
from spanledger.model.span import Value

_BILLABLE: Final = (LLM, EMBED, RERANK)
_THREAD_RUNS: Final = ("start_thread_run", "process_thread_run", "get_thread_run")
_SERVER: Final = 2
_COMPLETED: Final = (
    "input", "output", "tools", "params", "response_id", "request_model", "provider", "provider_raw", "finish_reasons",
    "streaming", "ttft_ns",
)  # fmt: skip
_CONTEXT: Final = ("user_id", "session_id")

_Settings = tuple[str | None, str | None, str | None, str | None]
"""Environment, release, service name, service version."""
_NO_SETTINGS: _Settings = (None, None, None, None)


class _Node:
    """A draft in its tree.

    What a run needs to know of its neighbours is handed up and down along the links once, so that resolving takes
    time linear to the spans of a trace, however deep their sender nested them.
    """

    __slots__ = (
        "around", "billed_below", "billed_calls", "children", "depth", "donor", "draft", "holds_runs", "innermost",
        "is_cut", "is_run", "last_answer", "outer", "parent", "root", "run", "settings", "span_id", "stating",
        "whole_below",
    )  # fmt: skip
    __deletable__ = ("billed_calls", "children", "root", "stating")  # compiled classes ask for it

    def __init__(self, span_id: str, draft: Draft) -> None:
        self.span_id = span_id
        self.draft = draft
        self.parent: _Node | None = None
        self.children: list[_Node] = []
        self.is_run = draft.kind not in (SKIP, MERGE, WEAK_CHAIN, WRAP) and draft.run is not None
        self.is_cut = False
        """The link to its parent was cut, for the parent stands below it."""
        self.depth = 0
        self.run: Run | None = None
        """The resolved run."""
        self.holds_runs = False
        self.last_answer: Run | None = None
        """Of the model calls below, the one that answered last."""
        # Handed up by the children
        self.innermost: dict[str, int] = {}
        """Model calls below that hold none of their type themselves, by type; tools and agents hide theirs."""
        self.billed_calls: dict[str, list[_Node]] = {}
        """Those below which bill, by type; tools and agents hide theirs."""
        self.billed_below = False
        self.whole_below = False
        """Whether one that bills below does not say that its usage is only a part."""
        # Handed down by the parent
        self.root = self
        self.outer: _Node | None = None
        """Nearest ancestor that is a run."""
        self.around: Mapping[str, _Node] = _NOBODY
        """Nearest model call around it, by type, with no tool or agent in between."""
        self.donor: _Node | None = None
        """Nearest noise above it with tags or metadata, with no run in between."""
        self.stating: Mapping[str, _Node] = _NOBODY
        """Nearest node at or above it that states a context fact."""
        self.settings = _NO_SETTINGS
        """What the nearest run at or above it says of where it ran."""

    def part(self) -> None:
        """Let go of all other nodes. They hold each other in circles: left to the garbage collector, which comes
        rarely, evicted traces would stay in memory for long."""
        del self.children, self.billed_calls, self.root, self.stating  # the others lead upwards alone


_NOBODY: Mapping[str, _Node] = {}


def resolve(
    project_id: str,
    trace_id: str,
    drafts: Mapping[str, Draft],
    prices: PriceList,
) -> list[Run]:
    """The runs of a trace in their present state, in order of start; `version` is left at its default."""
    nodes = _link(drafts)
    ordered = list(nodes.values())
    if len(ordered) > 1:
        ordered.sort(key=lambda node: (-node.depth, node.span_id))  # children before parents
    try:
        return _resolved(project_id, trace_id, nodes, ordered, prices)
    finally:
        for node in ordered:
            node.part()


def _resolved(
    project_id: str, trace_id: str, nodes: Mapping[str, _Node], ordered: list[_Node], prices: PriceList
) -> list[Run]:
    _keep_weak_chains(ordered)
    if not any(node.is_run for node in ordered):
        return []
    billable = _bill(ordered)
    only = {name: _unanimous(nodes, name) for name in _CONTEXT}
    resolved: list[Run] = []
    for node in reversed(ordered):
        _hand_down(node)
        draft = node.draft
        if not node.is_run or draft.run is None:
            continue
        run = node.run = msgspec.structs.replace(draft.run)
        if draft.kind == FUNCTION and node.holds_runs:
            run.type, run.tool = CHAIN, None
        run.parent_run_id = _parent_run_id(project_id, trace_id, node)
        if run.type == CHAIN and getattr(draft.span, "kind_vercel", None) is not None:
            if _calls_tools(node):
                run.type = AGENT
            elif _is_unanswered(node):
                run.type = LLM
                run.input, run.output = _as_messages(run.input, "user"), _as_messages(run.output, "assistant")
                run.params, run.streaming = params_of(draft.span, None), streaming_of(draft.span, None)
        if run.type == AGENT:
            _answer(run, node)
        _inherit(run, node, only)
        if run.type in _BILLABLE:
            _complete(run, node)
        run.billable = node.span_id in billable
        run.cost = _cost(draft, run, prices) if run.type in _BILLABLE or run.billable else None
        run.tokens_per_second = _rate(run)
        resolved.append(run)
    resolved.sort(key=lambda run: (run.started_at, run.run_id))
    return resolved


def _link(drafts: Mapping[str, Draft]) -> dict[str, _Node]:
    """Nodes with parents, children and depth; a cycle is cut above its member that starts first."""
    nodes = {span_id: _Node(span_id, draft) for span_id, draft in drafts.items()}
    for node in nodes.values():
        parent = nodes.get(node.draft.parent_span_id or "")
        if parent is not None and parent is not node:
            node.parent = parent
            parent.children.append(node)
    if _measure_depths(nodes) < len(nodes):  # what no root leads to stands in or below a cycle
        _cut_cycles(nodes)
        _measure_depths(nodes)
    return nodes


def _measure_depths(nodes: Mapping[str, _Node]) -> int:
    """Tell each node that a root leads to how deep it stands; how many there are."""
    reached = [node for node in nodes.values() if node.parent is None]
    for node in reached:
        for child in node.children:
            child.depth = node.depth + 1
            reached.append(child)
    return len(reached)


def _cut_cycles(nodes: Mapping[str, _Node]) -> None:
    done: set[str] = set()
    for node in nodes.values():
        path: list[_Node] = []
        on_path: set[str] = set()
        at: _Node | None = node
        while at is not None and at.span_id not in done:
            if at.span_id in on_path:
                cycle = path[path.index(at) :]
                first = min(cycle, key=lambda member: (member.draft.span.start_ns, member.span_id))
                if first.parent is not None:
                    first.parent.children.remove(first)
                first.parent = None
                first.is_cut = True
                break
            path.append(at)
            on_path.add(at.span_id)
            at = at.parent
        done.update(on_path)


def _keep_weak_chains(ordered: list[_Node]) -> None:
    """A named application span is a run where something below it is one."""
    below: set[str] = set()
    for node in ordered:
        _hand_up_answer(node)
        if node.draft.kind == WEAK_CHAIN and node.span_id in below and node.draft.run is not None:
            node.is_run = True
        node.holds_runs = node.span_id in below
        if (node.is_run or node.span_id in below) and node.parent is not None:
            below.add(node.parent.span_id)


def _hand_up_answer(node: _Node) -> None:
    """Tell the parent which model call at or below this node answered last."""
    if node.parent is None:
        return
    run = node.draft.run if node.is_run else None
    for answer in (node.last_answer, run if run is not None and run.type == LLM else None):
        held = node.parent.last_answer
        if answer is None or not answer.output or answer.status != "success":
            continue
        if held is None or (answer.started_at, answer.run_id) > (held.started_at, held.run_id):
            node.parent.last_answer = answer


def _answer(run: Run, node: _Node) -> None:
    """An agent whose stream was read elsewhere ends without an output; what its last model call said is its answer."""
    last = node.last_answer
    if run.output is None and run.status == "success" and last is not None:
        parts = last.output[-1]["parts"] if isinstance(last.output, list) and last.output else []
        if any(part["type"] == "text" and part.get("content") for part in parts):
            run.output = last.output
            run.warnings = [*run.warnings, "output_from_model_call"]


def _bill(ordered: list[_Node]) -> set[str]:
    """Span ids of the runs whose usage counts in totals.

    Only model calls bill (R1, R2); of nested ones the innermost, except below a gateway's or an inference server's
    own span (R3); an agent or chain bills when nothing below it does (R4); a response id bills once (R5), and so does
    a run of an Azure agent's thread (R7).
    """
    billed: set[str] = set()
    for node in ordered:
        run = node.draft.run if node.is_run else None
        if run is not None and run.type in _BILLABLE:
            if run.usage is not None or node.draft.reported:
                _bill_call(node, run, billed)
        elif run is not None and run.usage is not None:
            if run.type in (AGENT, CHAIN) and not node.billed_below:
                if _counted(run):
                    billed.add(node.span_id)
                    if run.type == CHAIN:
                        node.billed_calls = {CHAIN: [node]}
            elif run.type == AGENT and not node.whole_below:
                for child in _below(node):
                    billed.discard(child.span_id)
                billed.add(node.span_id)
        _hand_up(node, run, node.span_id in billed)
    _bill_views_once(ordered, billed)
    return billed


def _bill_call(node: _Node, run: Run, billed: set[str]) -> None:
    """Bill a model call, unless a nested one already bills what this one states (R3)."""
    inner = node.billed_calls.get(run.type)
    if inner:
        servers = all(child.draft.span.kind == _SERVER for child in inner)
        if not servers or node.draft.span.kind == _SERVER:
            return
        billed.difference_update(child.span_id for child in inner)
    # A chain that bills for want of a model call below it repeats the one around it.
    billed.difference_update(chain.span_id for chain in node.billed_calls.pop(CHAIN, ()))
    billed.add(node.span_id)
    node.billed_calls[run.type] = [node]


def _hand_up(node: _Node, run: Run | None, bills: bool) -> None:
    """Tell the parent what stands below it."""
    parent = node.parent
    if parent is None:
        return
    parent.billed_below = parent.billed_below or node.billed_below or bills
    is_whole = bills and node.draft.span.usage_partial is None
    parent.whole_below = parent.whole_below or node.whole_below or is_whole
    if run is not None and run.type in (TOOL, AGENT):
        return
    for kind, calls in node.billed_calls.items():
        held = parent.billed_calls.get(kind)
        if held is None:
            parent.billed_calls[kind] = calls
        elif len(held) < len(calls):
            calls.extend(held)
            parent.billed_calls[kind] = calls
        else:
            held.extend(calls)
    for kind, number in node.innermost.items():
        parent.innermost[kind] = parent.innermost.get(kind, 0) + number
    if run is not None and run.type in _BILLABLE and run.type not in node.innermost:
        parent.innermost[run.type] = parent.innermost.get(run.type, 0) + 1


def _hand_down(node: _Node) -> None:
    """Take from the parent what stands above."""
    above = node.parent
    context = node.draft.context
    said = node.draft.run
    if above is None:
        outer = _NO_SETTINGS
    else:
        node.root = above.root
        node.stating = above.stating
        node.settings = outer = above.settings
    if context.user_id is not None or context.session_id is not None:
        own = {name: node for name in _CONTEXT if getattr(context, name) is not None}
        node.stating = {**node.stating, **own}
    if said is not None:
        node.settings = (
            said.environment if said.environment is not None else outer[0],
            said.release if said.release is not None else outer[1],
            said.service_name if said.service_name is not None else outer[2],
            said.service_version if said.service_version is not None else outer[3],
        )
    if above is None:
        return
    run = above.draft.run if above.is_run else None
    if run is None:
        node.outer, node.around = above.outer, above.around
        noted = above.draft.kind in (SKIP, WEAK_CHAIN) and (above.draft.context.tags or above.draft.context.metadata)
        node.donor = above if noted else above.donor
        return
    node.outer = above
    if run.type in (TOOL, AGENT):
        node.around = _NOBODY
    elif run.type in _BILLABLE:
        node.around = {**above.around, run.type: above}
    else:
        node.around = above.around


def _counted(run: Run) -> bool:
    usage = run.usage
    return usage is not None and bool(usage.input_tokens or usage.output_tokens)


def _below(node: _Node) -> list[_Node]:
    found: list[_Node] = []
    stack = list(node.children)
    while stack:
        child = stack.pop()
        found.append(child)
        stack.extend(child.children)
    return found


def _bill_views_once(ordered: list[_Node], billed: set[str]) -> None:
    """Of several spans that stand beside each other and tell of one model call, bill the best (R5, R7)."""
    responses: dict[tuple[str, int | None], list[_Node]] = {}
    thread_runs: dict[str, list[_Node]] = {}
    for node in ordered:
        run, span = node.draft.run, node.draft.span
        if run is None or node.span_id not in billed:
            continue
        if run.type == LLM and is_identity(run.response_id):
            responses.setdefault((run.response_id, _input_tokens(node)), []).append(node)
        elif run.operation in _THREAD_RUNS and (thread_run := text(span.run_group)) is not None:
            thread_runs.setdefault(thread_run, []).append(node)
    for views in responses.values():
        if 1 < len(views) <= MOST_VIEWS:
            billed.difference_update(node.span_id for node in sorted(views, key=_preference)[1:])
    for views in thread_runs.values():  # the last one saw the run's end
        billed.difference_update(node.span_id for node in sorted(views, key=lambda view: view.draft.span.end_ns)[:-1])


def _input_tokens(node: _Node) -> int | None:
    usage = node.draft.run.usage if node.draft.run is not None else None
    return usage.input_tokens if usage is not None else None


def _preference(node: _Node) -> tuple[bool, bool, int, int, str]:
    """Among several spans of one model call: the application's own, with usage, the fullest, the earliest."""
    run, span = node.draft.run, node.draft.span
    usage = run.usage if run is not None else None
    return (
        span.kind == _SERVER,
        usage is None or usage.input_tokens is None,
        -counters_in(usage),
        span.start_ns,
        node.span_id,
    )


def _parent_run_id(project_id: str, trace_id: str, node: _Node) -> str | None:
    """Nearest ancestor that is a run; an ancestor not seen yet is named by the id its span will get."""
    if node.outer is not None and node.outer.draft.run is not None:
        return node.outer.draft.run.run_id
    root = node.root
    missing = root.draft.parent_span_id
    if missing is None or missing == root.span_id or root.is_cut:
        return None
    return run_id_of_span(project_id, trace_id, missing)


def _complete(run: Run, node: _Node) -> None:
    """Fill what a model call does not say from the model call around it, where that wraps nothing else: an agent
    framework's span often has the messages, the client library's span inside it the usage."""
    around = node.around.get(run.type)
    if around is None or around.run is None or around.innermost.get(run.type) != 1:
        return
    for name in _COMPLETED:
        value: Value = getattr(run, name)
        if value is None or value in ([], {}):
            setattr(run, name, getattr(around.run, name))
        elif name == "params":  # a client library's own span states few of them
            run.params = {**around.run.params, **run.params}


def _is_unanswered(node: _Node) -> bool:
    """An AI SDK call whose inner model span never came: it was aborted, and this is all there is of the model call."""
    operation = getattr(node.draft.span, "kind_vercel", None)
    return (
        isinstance(operation, str)
        and operation in ("ai.generateText", "ai.streamText", "ai.generateObject", "ai.streamObject")
        and not any(child.is_run for child in node.children)
    )


def _as_messages(value: Value, role: str) -> Value:
    """What a chain was given or gave, as a model call holds it."""
    if value is None or (isinstance(value, list) and all(isinstance(one, dict) and "parts" in one for one in value)):
        return value
    return shapes.parse_messages(value, default_role=role, warnings=[], key="") or None


def _calls_tools(node: _Node) -> bool:
    return any(child.draft.kind == TOOL for child in node.children)


def _unanimous(nodes: Mapping[str, _Node], name: str) -> str | None:
    """The one value of a context fact in the trace, when all who state it agree."""
    found: str | None = None
    for node in nodes.values():
        value = getattr(node.draft.context, name)
        if value is not None and value != found:
            if found is not None:
                return None
            found = value
    return found


def _inherit(run: Run, node: _Node, only: Mapping[str, str | None]) -> None:
    """User, session and deployment from the nearest ancestor that states them; user and session else from the resource,
    else from the whole trace, where all who state one agree. Tags and metadata of noise go to the runs below it."""
    inherited: list[str] = []
    for name in _CONTEXT:
        if getattr(run, name) is not None:
            continue
        source = node.stating.get(name)
        value = getattr(source.draft.context, name) if source is not None else None
        if value is None and (by_resource := getattr(node.draft.deployment, name)) is not None:
            setattr(run, name, by_resource)
            continue
        value = value or only[name]
        if value is None:
            if name == "user_id":  # OpenAI's `user` parameter: the weakest word
                run.user_id = text(run.params.get("user"))
            continue
        setattr(run, name, value)
        inherited.append(name)
        if name == "user_id" and run.user_props is None and source is not None:
            run.user_props = source.draft.context.user_props
    run.environment, run.release, run.service_name, run.service_version = node.settings
    run.inherited = inherited
    if node.donor is not None:
        donated = node.donor.draft.context
        run.tags = list(dict.fromkeys([*run.tags, *donated.tags]))
        run.metadata = {**donated.metadata, **run.metadata}


def _cost(draft: Draft, run: Run, prices: PriceList) -> Cost | None:
    """Cost of a run that bills; None for one that repeats another's usage."""
    if not run.billable and (run.usage is not None or draft.reported):
        return None
    if run.usage is None and draft.reported is None and run.status != "success":
        return None
    hints = draft.price_hints
    tier = hints.get("service_tier")
    billed = bool(hints.get("reported_billed"))
    call = Call(
        provider=run.provider,
        request_model=run.request_model,
        model=run.model,
        usage=run.usage,
        at_ns=run.started_at,
        service_tier=tier,
        reported=draft.reported,
        reported_billed=billed,
        cached=bool(hints.get("cached")),
        type=run.type,
    )
    if draft.priced is not None and draft.priced[0] == call:
        return draft.priced[1]
    cost = prices.cost(call)
    cost.service_tier = tier
    cost.reported_billed = None if cost.reported is None else billed
    draft.priced = call, cost
    return cost


def _rate(run: Run) -> float | None:
    """Output tokens per second from the first token on, or over the whole call."""
    if run.type != LLM or run.usage is None or not run.usage.output_tokens or not run.duration_ns:
        return None
    span = run.duration_ns - (run.ttft_ns or 0)
    return round(run.usage.output_tokens * 1e9 / (span if span > 0 else run.duration_ns), 3)
