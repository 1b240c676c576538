"""What only the whole trace tells: parents, inheritance, which runs bill, and cost.

`resolve` is a pure function of the drafts of one trace: whatever the order in which spans arrived, the same set gives
the same runs. The billing rules R1 to R5 stand in docs/mapping.md.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from spanledger.mapping.cost import Call, PriceList
from spanledger.mapping.dialects.base import AGENT, CHAIN, EMBED, LLM, MERGE, PASS, RERANK, TOOL, WEAK_CHAIN, WRAP
from spanledger.mapping.draft import Draft
from spanledger.model.ids import run_id_of_span
from spanledger.model.records import Cost, Run
from spanledger.model.span import Value

_BILLABLE = (LLM, EMBED, RERANK)
_SERVER = 2
_COMPLETED = (
    "input", "output", "tools", "params", "response_id", "request_model", "provider", "provider_raw", "finish_reasons",
    "streaming", "ttft_ns",
)  # fmt: skip
_INHERITED = ("environment", "release", "service_name", "service_version")


class _Node:
    """A draft in its tree."""

    __slots__ = ("billable_below", "children", "depth", "draft", "is_run", "parent", "span_id")

    def __init__(self, span_id: str, draft: Draft) -> None:
        self.span_id = span_id
        self.draft = draft
        self.parent: _Node | None = None
        self.children: list[_Node] = []
        self.is_run = draft.kind not in (PASS, MERGE, WEAK_CHAIN, WRAP) and draft.run is not None
        self.billable_below = False
        self.depth = 0


def resolve(
    project_id: str,
    trace_id: str,
    drafts: Mapping[str, Draft],
    prices: PriceList,
) -> list[Run]:
    """The runs of a trace in their present state, in order of start; `version` is left at its default."""
    nodes = _link(drafts)
    ordered = sorted(nodes.values(), key=lambda node: (-node.depth, node.span_id))  # children before parents
    _keep_weak_chains(ordered)
    runs = [node for node in ordered if node.is_run]
    if not runs:
        return []
    billable = _bill(ordered)
    unanswered = {node.span_id for node in runs if _is_unanswered(node)}
    only_user = _unanimous(nodes, "user_id")
    only_session = _unanimous(nodes, "session_id")
    resolved: list[Run] = []
    for node in runs:
        draft = node.draft
        own = draft.run
        if own is None:
            continue
        run = msgspec.structs.replace(own)
        run.parent_run_id = _parent_run_id(project_id, trace_id, node)
        if run.type == CHAIN and getattr(draft.span, "kind_vercel", None) is not None:
            if _calls_tools(node):
                run.type = AGENT
            elif node.span_id in unanswered:
                run.type = LLM
        _inherit(run, node, only_user, only_session)
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
    done: set[str] = set()
    for node in nodes.values():
        path: list[_Node] = []
        on_path: set[str] = set()
        at: _Node | None = node
        while at is not None and at.span_id not in done:
            if at.span_id in on_path:
                cycle = path[path.index(at) :]
                first = min(cycle, key=lambda member: (member.draft.span.start_ns, member.span_id))
                first.parent = None
                break
            path.append(at)
            on_path.add(at.span_id)
            at = at.parent
        done.update(on_path)
    for node in nodes.values():
        if node.parent is not None:
            node.parent.children.append(node)
    stack = [node for node in nodes.values() if node.parent is None]
    while stack:
        node = stack.pop()
        for child in node.children:
            child.depth = node.depth + 1
            stack.append(child)
    return nodes


def _keep_weak_chains(ordered: list[_Node]) -> None:
    """A named application span is a run where something below it is one."""
    below: set[str] = set()
    for node in ordered:
        if node.draft.kind == WEAK_CHAIN and node.span_id in below and node.draft.run is not None:
            node.is_run = True
        if (node.is_run or node.span_id in below) and node.parent is not None:
            below.add(node.parent.span_id)


def _bill(ordered: list[_Node]) -> set[str]:
    """Span ids of the runs whose usage counts in totals.

    Only model calls bill (R1, R2); of nested ones the innermost, except below a gateway's or an inference server's
    own span (R3); an agent or chain bills when nothing below it does (R4); a response id bills once (R5).
    """
    billed: set[str] = set()
    for node in ordered:
        run = node.draft.run
        if node.is_run and run is not None and run.usage is not None:
            if run.type in _BILLABLE:
                if not _repeats_below(node, billed):
                    billed.add(node.span_id)
            elif run.type in (AGENT, CHAIN) and not node.billable_below:
                if _counted(run):
                    billed.add(node.span_id)
            elif run.type == AGENT and _partial_below(node, billed):
                _unbill_below(node, billed)
                billed.add(node.span_id)
        if node.parent is not None and (node.billable_below or node.span_id in billed):
            node.parent.billable_below = True
    _bill_responses_once(ordered, billed)
    return billed


def _counted(run: Run) -> bool:
    usage = run.usage
    return usage is not None and bool(usage.input_tokens or usage.output_tokens)


def _repeats_below(node: _Node, billed: set[str]) -> bool:
    """Whether a nested model call already bills what this one states (R3)."""
    inner = [child for child in _calls_below(node) if child.span_id in billed]
    if not inner:
        return False
    servers = [child for child in inner if child.draft.span.kind == _SERVER]
    if len(servers) == len(inner) and node.draft.span.kind != _SERVER:
        for child in servers:
            billed.discard(child.span_id)
        return False
    return True


def _calls_below(node: _Node) -> list[_Node]:
    """Model calls of the same type below a model call, with no tool or agent in between."""
    wanted = node.draft.run.type if node.draft.run is not None else ""
    found: list[_Node] = []
    stack = list(node.children)
    while stack:
        child = stack.pop()
        run = child.draft.run
        if child.is_run and run is not None:
            if run.type in (TOOL, AGENT):
                continue
            if run.type == wanted:
                found.append(child)
        stack.extend(child.children)
    return found


def _below(node: _Node) -> list[_Node]:
    found: list[_Node] = []
    stack = list(node.children)
    while stack:
        child = stack.pop()
        found.append(child)
        stack.extend(child.children)
    return found


def _partial_below(node: _Node, billed: set[str]) -> bool:
    """Whether the model calls below say that their usage is only a part (Logfire's Claude agent)."""
    inner = [child for child in _below(node) if child.span_id in billed]
    return bool(inner) and all(child.draft.span.usage_partial is not None for child in inner)


def _unbill_below(node: _Node, billed: set[str]) -> None:
    for child in _below(node):
        billed.discard(child.span_id)


def _bill_responses_once(ordered: list[_Node], billed: set[str]) -> None:
    best: dict[str, _Node] = {}
    for node in ordered:
        run = node.draft.run
        if node.span_id not in billed or run is None or run.response_id is None or run.type != LLM:
            continue
        held = best.get(run.response_id)
        if held is None:
            best[run.response_id] = node
            continue
        if _tokens(held) != _tokens(node):
            continue  # not one call: some SDKs write the same placeholder id on every call
        winner, loser = (node, held) if _preference(node) < _preference(held) else (held, node)
        best[run.response_id] = winner
        billed.discard(loser.span_id)


def _tokens(node: _Node) -> tuple[int | None, int | None]:
    usage = node.draft.run.usage if node.draft.run is not None else None
    return (usage.input_tokens, usage.output_tokens) if usage is not None else (None, None)


def _preference(node: _Node) -> tuple[bool, bool, int, int, str]:
    """Among several spans of one model call: the application's own, with usage, the fullest, the earliest."""
    run, span = node.draft.run, node.draft.span
    usage = run.usage if run is not None else None
    return (
        span.kind == _SERVER,
        usage is None or usage.input_tokens is None,
        -sum(value is not None for value in msgspec.structs.astuple(usage)) if usage is not None else 0,
        span.start_ns,
        node.span_id,
    )


def _parent_run_id(project_id: str, trace_id: str, node: _Node) -> str | None:
    """Nearest ancestor that is a run; an ancestor not seen yet is named by the id its span will get."""
    at = node
    while at.parent is not None:
        at = at.parent
        if at.is_run and at.draft.run is not None:
            return at.draft.run.run_id
    missing = at.draft.parent_span_id
    if missing is None or missing == at.span_id or _in_cycle(at):
        return None
    return run_id_of_span(project_id, trace_id, missing)


def _in_cycle(node: _Node) -> bool:
    """Whether the node's parent stands below it: its upward link was cut."""
    return any(child.span_id == node.draft.parent_span_id for child in _below(node))


def _complete(run: Run, node: _Node) -> None:
    """Fill what a model call does not say from the model call around it, where that wraps nothing else: an agent
    framework's span often has the messages, the client library's span inside it the usage."""
    at = node.parent
    while at is not None:
        outer = at.draft.run
        if at.is_run and outer is not None:
            if outer.type in (TOOL, AGENT):
                return
            if outer.type == run.type:
                if len(_innermost_calls(at)) != 1:
                    return
                for name in _COMPLETED:
                    value: Value = getattr(run, name)
                    if value is None or value in ([], {}):
                        setattr(run, name, getattr(outer, name))
        at = at.parent


def _innermost_calls(node: _Node) -> list[_Node]:
    below = _calls_below(node)
    return [call for call in below if not _calls_below(call)]


def _is_unanswered(node: _Node) -> bool:
    """An AI SDK call whose inner model span never came: it was aborted, and this is all there is of the model call."""
    operation = getattr(node.draft.span, "kind_vercel", None)
    return (
        isinstance(operation, str)
        and operation in ("ai.generateText", "ai.streamText", "ai.generateObject", "ai.streamObject")
        and not any(child.is_run for child in node.children)
    )


def _calls_tools(node: _Node) -> bool:
    return any(child.draft.kind == TOOL for child in node.children)


def _unanimous(nodes: Mapping[str, _Node], name: str) -> str | None:
    """The one value of a context fact in the trace, when all who state it agree."""
    found = {value for node in nodes.values() if (value := getattr(node.draft.context, name)) is not None}
    return found.pop() if len(found) == 1 else None


def _inherit(run: Run, node: _Node, only_user: str | None, only_session: str | None) -> None:
    inherited: list[str] = []
    if run.user_id is None:
        source = _nearest(node, "user_id")
        run.user_id = source.draft.context.user_id if source is not None else only_user
        if run.user_id is not None:
            inherited.append("user_id")
            if run.user_props is None and source is not None:
                run.user_props = source.draft.context.user_props
    if run.session_id is None:
        source = _nearest(node, "session_id")
        run.session_id = source.draft.context.session_id if source is not None else only_session
        if run.session_id is not None:
            inherited.append("session_id")
    for name in _INHERITED:
        if getattr(run, name) is None:
            at = node.parent
            while at is not None:
                value: Value = getattr(at.draft.run, name) if at.draft.run is not None else None
                if value is not None:
                    setattr(run, name, value)
                    break
                at = at.parent
    run.inherited = inherited


def _nearest(node: _Node, name: str) -> _Node | None:
    at = node.parent
    while at is not None:
        if getattr(at.draft.context, name) is not None:
            return at
        at = at.parent
    return None


def _cost(draft: Draft, run: Run, prices: PriceList) -> Cost | None:
    """Cost of a run that bills; None for one that repeats another's usage."""
    if not run.billable and run.usage is not None:
        return None
    if run.usage is None and draft.reported is None and run.status != "success":
        return None
    hints = draft.price_hints
    tier = hints.get("service_tier")
    return prices.cost(
        Call(
            provider=run.provider,
            request_model=run.request_model,
            model=run.model,
            usage=run.usage,
            at_ns=run.started_at,
            service_tier=tier,
            batch=bool(hints.get("batch")),
            reported=draft.reported,
            reported_billed=bool(hints.get("reported_billed")),
            cached=bool(hints.get("cached")),
            type=run.type,
        )
    )


def _rate(run: Run) -> float | None:
    """Output tokens per second from the first token on, or over the whole call."""
    if run.type != LLM or run.usage is None or not run.usage.output_tokens or not run.duration_ns:
        return None
    span = run.duration_ns - (run.ttft_ns or 0)
    return round(run.usage.output_tokens * 1e9 / (span if span > 0 else run.duration_ns), 3)
