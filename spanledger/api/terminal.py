"""Runs in a terminal: a list, a page, a trace. Functions from the API's JSON to rich renderables.

::

    Console().print(runs_table(api.runs()["data"], now_ns=time.time_ns(), width=console.width))
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from rich.cells import cell_len
from rich.console import Group, JustifyMethod, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from spanledger.api import figures
from spanledger.api.conversation import contents, is_messages, pretty, text
from spanledger.exporters.text import printable

Json = dict[str, Any]

SHORT_ID: Final = 8
"""Characters of a run id in lists; ids are hashes, so these tell runs of one page apart."""
_WHO: Final = {"user": "user_id", "session": "session_id"}
_COLUMNS: Final = ("id", "type", "name", "model", "tokens", "cost", "took", "age", *_WHO)
_NUMBERS: Final = ("tokens", "cost", "took", "age")
_ELASTIC: Final = ("name", "model", *_WHO)
_GAP: Final = 2
_NARROWEST: Final = 4
_WIDE: Final = 110
"""Columns from which user and session are shown, where any run has one."""
_WHOLE_IDS: Final = 150
"""Columns from which ids are shown in full."""
MARKS: Final = {"error": ("✗", "red"), "cancelled": ("⊘", "yellow"), "started": ("…", "yellow")}
TYPES: Final = {"llm": "green", "agent": "magenta", "tool": "yellow", "chain": "blue", "retriever": "cyan"}


def runs_table(runs: Sequence[Json], *, now_ns: int, width: int) -> RenderableType:
    """A list of runs, one line each. `width` decides what fits: users and sessions, whole ids; names and models are
    cut before numbers are."""
    if not runs:
        return Text("no runs", "dim")
    rows = [_row(run, now_ns, width) for run in runs]
    present = [name for name, field in _WHO.items() if any(run[field] for run in runs)]
    shown = [name for name in _COLUMNS if name not in _WHO or (width >= _WIDE and name in present)]
    rows = [[row[_COLUMNS.index(name)] for name in shown] for row in rows]
    natural = {name: max(cell_len(name), *(row[index].cell_len for row in rows)) for index, name in enumerate(shown)}
    fixed = sum(size for name, size in natural.items() if name not in _ELASTIC) + _GAP * (len(shown) - 1)
    sizes = _fit({name: size for name, size in natural.items() if name in _ELASTIC}, width - fixed)
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold")
    for name in shown:
        justify: JustifyMethod = "right" if name in _NUMBERS else "left"
        size = sizes.get(name, natural[name])
        table.add_column(name, justify=justify, width=size, no_wrap=True, overflow="ellipsis")
    for row in rows:
        table.add_row(*row)
    return table


def _row(run: Json, now_ns: int, width: int) -> list[Text]:
    mark, style = MARKS.get(run["status"], ("", ""))
    return [
        text(run["run_id"] if width >= _WHOLE_IDS else run["run_id"][:SHORT_ID], "dim"),
        text(run["type"], TYPES.get(run["type"], "")),
        _one_line(f"{mark} {run['name']}" if mark else run["name"], style),
        _one_line(model_beside_name(run)),
        text(figures.tokens(run)),
        text(figures.cost(run)),
        text(figures.duration(run["duration_ns"])),
        text(figures.age(run["started_at"], now_ns)),
        _one_line(run["user_id"] or ""),
        _one_line(run["session_id"] or ""),
    ]


def _one_line(value: str, style: str = "") -> Text:
    return Text(printable(value, one_line=True), style)


def _fit(natural: dict[str, int], room: int) -> dict[str, int]:
    """Widths that add up to at most `room`: the widest give first, of equals the later, nobody goes below four."""
    sizes = dict(natural)
    while sum(sizes.values()) > room:
        widest = max(reversed(sizes), key=lambda name: sizes[name])
        if sizes[widest] <= _NARROWEST:
            break
        sizes[widest] -= 1
    return sizes


def run_page(run: Json, related: Sequence[Json] = (), scores: Sequence[Json] = ()) -> RenderableType:
    """One run as a page: facts, conversation, usage, cost, parameters, and the trace that it belongs to."""
    return Group(*_page(run, related, scores))


def trace_tree(runs: Sequence[Json], *, current: str | None = None, with_contents: bool = False) -> RenderableType:
    """Every run of a trace below its parent, in the order of their start. `current` is marked. `with_contents`: what
    was said in each run, and its error, below it; needs whole runs."""
    by_parent: dict[str | None, list[Json]] = {}
    known = {run["run_id"] for run in runs}
    ordered = sorted(runs, key=lambda run: (run["started_at"], run["run_id"]))
    for run in ordered:
        parent = run["parent_run_id"]
        by_parent.setdefault(parent if parent in known else None, []).append(run)
    root = Tree(Text(f"trace {len(runs)} {'run' if len(runs) == 1 else 'runs'}", "bold"), guide_style="dim")
    placed: set[str] = set()
    # Runs that name each other as parents hang below none: they are placed by themselves at the end.
    for run in [*by_parent.get(None, []), *ordered]:
        stack = [(root, run)]
        while stack:
            branch, current_run = stack.pop()
            run_id = current_run["run_id"]
            if run_id in placed:
                continue
            placed.add(run_id)
            label = _branch(current_run, marked=run_id == current)
            twig = branch.add(Group(label, *_said(current_run)) if with_contents else label)
            stack += [(twig, child) for child in reversed(by_parent.get(run_id, []))]
    return root


def _branch(run: Json, *, marked: bool) -> Text:
    mark, style = MARKS.get(run["status"], ("", ""))
    label = text("▶ " if marked else "", "bold")
    label.append_text(text(run["type"], TYPES.get(run["type"], "")))
    label.append_text(_one_line(f" {f'{mark} ' if mark else ''}{run['name']}", f"bold {style}" if marked else style))
    facts = [
        model_beside_name(run),
        figures.tokens(run),
        figures.cost(run),
        figures.duration(run["duration_ns"]),
    ]
    return label.append_text(_one_line("".join(f"  {fact}" for fact in facts if fact), "dim"))


def _said(run: Json) -> Iterator[RenderableType]:
    if run["error"]:
        yield from _error(run["error"] | {"stack": None})
    yield from contents("input", run["input"])
    yield from contents("output", run["output"])


def model_beside_name(run: Json) -> str:
    """The model, where it is not the name already."""
    model = run["model"] or run["request_model"] or ""
    return "" if model == run["name"] else model


def _page(run: Json, related: Sequence[Json], scores: Sequence[Json]) -> Iterator[RenderableType]:
    mark, style = MARKS.get(run["status"], ("✓", "green"))
    title = text(f"{mark} ", style).append_text(text(run["type"], TYPES.get(run["type"], "")))
    title.append_text(_one_line(f" {run['name']}", "bold"))
    yield title
    yield _facts(_header(run))
    if run.get("payload_expired"):
        yield text("its contents have passed their retention", "yellow")
    if run["error"]:
        yield from _section("error")
        yield from _error(run["error"])
    conversation = is_messages(run["input"]) or is_messages(run["output"])
    shown = [*contents("input", run["input"]), *contents("output", run["output"])]
    if shown:
        yield from _section("conversation" if conversation else "contents")
        yield from shown
    if run["tools"]:
        yield from _section("tools offered")
        yield _facts([(str(tool.get("name")), tool.get("description")) for tool in run["tools"]])
    if run["usage"] or run["cost"]:
        yield from _section("usage and cost")
        yield _facts([*_usage(run["usage"] or {}), *_cost(run)])
    for name in ("params", "metadata", "user_props", "prompt", "attributes"):
        if run[name]:
            yield from _section(name)
            yield _facts(run[name].items())
    if scores:
        yield from _section("scores")
        yield _facts([(score["name"], _score(score)) for score in scores])
    if run["warnings"]:
        yield from _section("warnings")
        yield from (text(warning, "yellow") for warning in run["warnings"])
    if len(related) > 1:
        yield from _section("trace")
        yield trace_tree(related, current=run["run_id"])


def _section(title: str) -> Iterator[RenderableType]:
    yield Text()
    yield Rule(Text(title, "bold"), align="left", style="dim")


def _facts(facts: Any) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts:
        if value is not None and value != "":
            grid.add_row(text(name, "dim"), text(pretty(value)))
    return grid


def _header(run: Json) -> Iterator[tuple[str, Any]]:
    yield "run", run["run_id"]
    yield "started", figures.clock(run["started_at"])
    yield "took", _timing(run)
    yield "status", run["status"] if run["status"] != "success" else None
    yield "provider", run["provider"]
    asked, got = run["request_model"], run["model"]
    yield "model", f"{got} (asked for {asked})" if asked and got and asked != got else got or asked
    yield "response", run["response_id"]
    yield "finished", ", ".join(run["finish_reasons"])
    for name in ("agent", "tool"):
        about = {key: value for key, value in (run[name] or {}).items() if value not in (None, run["name"])}
        yield name, about or None
    for name, field in _WHO.items():
        inherited = " (inherited)" if field in run["inherited"] else ""
        yield name, f"{run[field]}{inherited}" if run[field] else None
    yield "tags", ", ".join(run["tags"])
    yield "service", " ".join(filter(None, (run["service_name"], run["service_version"])))
    yield "environment", run["environment"]
    yield "release", run["release"]
    scope = " ".join(filter(None, (run["scope_name"], run["scope_version"])))
    yield "written by", ", ".join(filter(None, (" + ".join(run["dialects"]), scope)))
    yield "trace", run["trace_id"]


def _timing(run: Json) -> str:
    facts = [figures.duration(run["duration_ns"])]
    if run["ttft_ns"] is not None:
        facts.append(f"first token after {figures.duration(run['ttft_ns'])}")
    if run["tokens_per_second"] is not None:
        facts.append(f"{run['tokens_per_second']:.1f} tokens/s")
    return ", ".join(filter(None, facts))


def _error(error: Json) -> Iterator[RenderableType]:
    kind = " ".join(filter(None, (error.get("type"), error.get("code"))))
    yield text(": ".join(filter(None, (kind, error.get("message")))), "red")
    if stack := error.get("stack"):
        yield text(stack, "dim")


def _usage(usage: Json) -> Iterator[tuple[str, str | None]]:
    for side, parts in (
        ("input", ("cache_read", "cache_write", "cache_write_1h", "input_audio", "cache_audio_read", "input_image")),
        ("output", ("reasoning", "output_audio")),
    ):
        total = usage.get(f"{side}_tokens")
        known = {part: usage.get(f"{part}_tokens") for part in parts}
        of = ", ".join(f"{_part_name(part, side)} {figures.count(n)}" for part, n in known.items() if n is not None)
        if total is not None or of:
            yield f"{side} tokens", figures.count(total) + (f" (of which {of})" if of else "")
    yield "also counted", usage.get("extra") or None
    notes = [usage.get("convention"), usage.get("source")]
    yield "counted as", ", ".join(note for note in notes if note not in (None, "inclusive", "provider"))


def _part_name(part: str, side: str) -> str:
    return part.removeprefix(f"{side}_").replace("_", " ")


def _cost(run: Json) -> Iterator[tuple[str, str | None]]:
    cost = run["cost"]
    if not cost:
        return
    counted = "" if run["billable"] or not run["usage"] else " (counted elsewhere)"
    total = f"${cost['total']}" if cost["total"] is not None else "unknown"
    source = cost["source"].replace("_", " ")
    yield "cost", f"{total}{counted}, {source}"
    yield "of which", ", ".join(f"{part.replace('_', ' ')} ${amount}" for part, amount in cost["parts"].items())
    yield "price", cost["price_ref"]
    for name in ("reported", "computed"):
        if cost[name] is not None and cost[name] != cost["total"]:
            yield name, f"${cost[name]}"


def _score(score: Json) -> str:
    facts = [pretty(score["value"]), score["label"], score["comment"], f"({score['source']})"]
    return "  ".join(fact for fact in facts if fact)
