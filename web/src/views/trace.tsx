// The runs of a trace, as a tree and along the time.
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { duration, money, nanoseconds } from "../format";
import type { Summary } from "../model";
import { useKeys } from "../parts/shortcuts";
import { Status } from "../parts/status";
import { Virtual } from "../parts/virtual";
import { go, href } from "../route";

const ROW = 32; // pixels

interface Node {
  run: Summary;
  depth: number;
  children: number;
  /** Parts of the whole time, 0 to 1. */
  start: number;
  length: number;
  firstToken: number | null;
}

export function Trace({ runs, current }: { runs: Summary[]; current: string }) {
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
  const { nodes, whole } = useMemo(() => layOut(runs, folded), [runs, folded]);
  const scroller = useRef<HTMLDivElement>(null);
  // Not state alone: keys may come faster than the page is drawn.
  const active = useRef(current);
  const [, draw] = useState({});
  const focus = useRef<string | null>(null);

  useLayoutEffect(() => {
    const index = nodes.findIndex((node) => node.run.run_id === current);
    if (scroller.current && index * ROW > scroller.current.clientHeight) scroller.current.scrollTop = (index - 3) * ROW;
  }, [current, nodes.length > 0]);
  const takeFocus = () => {
    const link = focus.current === null ? null : document.getElementById(`trace-${focus.current}`);
    if (link === null) return; // not drawn yet
    link.focus();
    focus.current = null;
  };
  useLayoutEffect(takeFocus);

  const fold = (id: string, closed: boolean) => {
    const next = new Set(folded);
    if (closed) next.add(id);
    else next.delete(id);
    setFolded(next);
  };
  useKeys((key) => {
    const index = nodes.findIndex((node) => node.run.run_id === active.current);
    const node = nodes[index];
    const down = key === "j" || key === "ArrowDown";
    if (down || key === "k" || key === "ArrowUp") {
      const next = nodes[Math.min(nodes.length - 1, Math.max(0, index + (down ? 1 : -1)))];
      if (next) {
        focus.current = active.current = next.run.run_id;
        takeFocus();
        draw({});
      }
    } else if (key === "ArrowLeft" && node?.children) fold(node.run.run_id, true);
    else if (key === "ArrowRight" && node?.children) fold(node.run.run_id, false);
    else return false;
    return true;
  });

  if (runs.length === 0) return <p class="quiet">No trace</p>;
  return (
    <div class="trace" ref={scroller}>
      <div role="treegrid" aria-label="Runs of the trace" aria-rowcount={nodes.length + 1}>
        <div role="rowgroup" class="head">
          <div role="row" class="trace-row" aria-rowindex={1}>
            <span role="columnheader">Run</span>
            <span role="columnheader" class="number">
              Cost
            </span>
            <span role="columnheader" class="number">
              Duration
            </span>
            <span role="columnheader" class="axis">
              {[0, 0.25, 0.5, 0.75].map((part) => (
                <span key={part}>{part === 0 ? "0" : duration(whole * part)}</span>
              ))}
            </span>
          </div>
        </div>
        <Virtual
          count={nodes.length}
          rowHeight={ROW}
          scroller={scroller}
          onEnd={() => undefined}
          row={(index) => (
            <TraceRow
              key={nodes[index]!.run.run_id}
              node={nodes[index]!}
              index={index}
              current={current}
              folded={folded.has(nodes[index]!.run.run_id)}
              fold={fold}
            />
          )}
        />
      </div>
    </div>
  );
}

interface RowProps {
  node: Node;
  index: number;
  current: string;
  folded: boolean;
  fold: (id: string, closed: boolean) => void;
}

function TraceRow({ node, index, current, folded, fold }: RowProps) {
  const { run } = node;
  return (
    <div
      role="row"
      class={`trace-row ${run.run_id === current ? "current" : ""}`}
      aria-rowindex={index + 2}
      aria-level={node.depth + 1}
      aria-expanded={node.children ? !folded : undefined}
      aria-selected={run.run_id === current}
      style={{ top: `${index * ROW}px` }}
      onClick={(event) => {
        if (!(event.target as HTMLElement).closest("a, button")) go(href(["runs", run.run_id, "trace"]), true);
      }}
      onDblClick={() => go(href(["runs", run.run_id]))}
    >
      <span role="gridcell" class="trace-name" style={{ paddingLeft: `${node.depth * 16}px` }}>
        {node.children > 0 ? (
          <button
            type="button"
            class="fold"
            aria-label={folded ? `Show what ${run.name} calls` : `Hide what ${run.name} calls`}
            onClick={() => fold(run.run_id, !folded)}
          >
            <svg viewBox="0 0 16 16" aria-hidden="true" class={folded ? "" : "open"}>
              <path d="M6 4l4 4-4 4" />
            </svg>
          </button>
        ) : (
          <span class="fold" />
        )}
        <Status status={run.status} />
        <a id={`trace-${run.run_id}`} href={href(["runs", run.run_id])}>
          {run.name}
        </a>
        <span class="type">{run.type}</span>
      </span>
      <span role="gridcell" class={run.billable ? "number" : "number elsewhere"}>
        {run.cost?.total ? money(run.cost.total) : ""}
      </span>
      <span role="gridcell" class="number">
        {run.duration_ns === null ? "" : duration(run.duration_ns)}
      </span>
      <span role="gridcell" class="track" aria-hidden="true">
        <span
          class={`bar ${run.type} ${run.status}`}
          style={{ left: `${node.start * 100}%`, width: `max(2px, ${node.length * 100}%)` }}
        >
          {node.firstToken !== null && <span class="waiting" style={{ width: `${node.firstToken * 100}%` }} />}
        </span>
      </span>
    </div>
  );
}

/** Depth first, children by their start; what has no parent here is a root. `whole` is in nanoseconds. */
export function layOut(runs: Summary[], folded: ReadonlySet<string>): { nodes: Node[]; whole: number } {
  const ids = new Set(runs.map((run) => run.run_id));
  const children = new Map<string | null, Summary[]>();
  for (const run of runs) {
    const parent = run.parent_run_id !== null && ids.has(run.parent_run_id) ? run.parent_run_id : null;
    const siblings = children.get(parent);
    if (siblings) siblings.push(run);
    else children.set(parent, [run]);
  }
  const starts = new Map(runs.map((run) => [run.run_id, nanoseconds(run.started_at)]));
  let first: bigint | null = null;
  let last = 0n;
  for (const run of runs) {
    const start = starts.get(run.run_id)!;
    const end = start + BigInt(Math.round(run.duration_ns ?? 0));
    if (first === null || start < first) first = start;
    if (end > last) last = end;
  }
  const origin = first ?? 0n;
  const whole = Math.max(1, Number(last - origin));
  const nodes: Node[] = [];
  const seen = new Set<string>();
  const visit = (run: Summary, depth: number, shown: boolean) => {
    if (seen.has(run.run_id)) return;
    seen.add(run.run_id);
    const below = children.get(run.run_id) ?? [];
    const length = run.duration_ns ?? 0;
    const node = {
      run,
      depth,
      children: below.length,
      start: Number(starts.get(run.run_id)! - origin) / whole,
      length: length / whole,
      firstToken: run.ttft_ns !== null && length > 0 ? Math.min(1, run.ttft_ns / length) : null,
    };
    if (shown) nodes.push(node);
    for (const child of sorted(below)) visit(child, depth + 1, shown && !folded.has(run.run_id));
  };
  const sorted = (list: Summary[]) =>
    [...list].sort((a, b) => Number(starts.get(a.run_id)! - starts.get(b.run_id)!));
  for (const root of sorted(children.get(null) ?? [])) visit(root, 0, true);
  for (const run of sorted(runs)) visit(run, 0, true); // whose callers go round in a circle
  return { nodes, whole };
}
