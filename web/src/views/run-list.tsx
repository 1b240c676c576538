// The log: newest runs first, filters, search, live.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { useLoaded } from "../api";
import { clock, compact, count, duration, moment, money, moneyInColumn } from "../format";
import type { Summary, Totals } from "../model";
import { Filters, requestOf } from "../parts/filters";
import { useKeys } from "../parts/shortcuts";
import { Status } from "../parts/status";
import { Virtual } from "../parts/virtual";
import { go, href } from "../route";
import { useRunPages } from "./run-pages";

const narrow = matchMedia("(max-width: 719px)");

export function RunList({ query }: { query: URLSearchParams }) {
  const text = query.toString();
  // A relative time is fixed once, so that all pages begin at the same moment.
  const request = useMemo(() => requestOf(query).toString(), [text]);
  const [live, setLive] = useState(true);
  const rowHeight = useRowHeight();
  const scroller = useRef<HTMLDivElement>(null);
  const [above, setAbove] = useState(0);
  const list = useRunPages(request, live, (rows) => {
    const box = scroller.current;
    if (!box || box.scrollTop < rowHeight) return;
    box.scrollTop += rows * rowHeight; // what is read stays where it is
    setAbove((n) => n + rows);
  });
  const totals = useLoaded<Totals>("runs/usage", request, live ? 15_000 : undefined);
  // Not state alone: keys may come faster than the page is drawn.
  const active = useRef<string | null>(list.active);
  const focus = useRef<string | null>(list.active);
  const [, draw] = useState({});

  useEffect(() => {
    document.title = "Runs – spanledger";
  }, []);
  useLayoutEffect(() => {
    if (scroller.current && list.scrollTop) scroller.current.scrollTop = list.scrollTop;
  }, []);
  const takeFocus = () => {
    const link = focus.current === null ? null : document.getElementById(`run-${focus.current}`);
    if (link === null) return; // not drawn yet
    link.focus({ preventScroll: true });
    focus.current = null;
  };
  useLayoutEffect(takeFocus);

  const move = (by: number) => {
    const { rows } = list;
    const box = scroller.current;
    if (!box || rows.length === 0) return false;
    const from = rows.findIndex((run) => run.run_id === active.current);
    const index = Math.min(rows.length - 1, Math.max(0, from < 0 ? 0 : from + by));
    const top = index * rowHeight;
    const body = box.querySelector<HTMLElement>(".virtual")?.offsetTop ?? 0;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + rowHeight + body > box.scrollTop + box.clientHeight)
      box.scrollTop = top + rowHeight + body - box.clientHeight;
    focus.current = active.current = rows[index]!.run_id;
    takeFocus();
    draw({});
    return true;
  };
  useKeys((key) => {
    if (key === "j" || key === "ArrowDown") return move(1);
    if (key === "k" || key === "ArrowUp") return move(-1);
    if (key !== "/") return false;
    document.getElementById("search")?.focus();
    return true;
  });

  return (
    <div class="list-page">
      <h1 class="unseen">Runs</h1>
      <Filters query={query} rows={list.rows} />
      <div class="summary-line">
        <p aria-live="off">{totals.data && <Sums totals={totals.data} />}</p>
        <button type="button" class="live" aria-pressed={live} onClick={() => setLive(!live)}>
          Live
        </button>
      </div>
      {list.error !== null && (
        <p class="problem" role="alert">
          {list.error}
        </p>
      )}
      <div
        class="scroller"
        ref={scroller}
        onScroll={(event) => {
          list.place(event.currentTarget.scrollTop, active.current);
          if (event.currentTarget.scrollTop === 0 && above > 0) setAbove(0);
        }}
      >
        {above > 0 && (
          <button type="button" class="above" onClick={() => scroller.current?.scrollTo({ top: 0 })}>
            {count(above)} new
          </button>
        )}
        <div role="table" aria-label="Runs, newest first" aria-rowcount={list.next === null ? list.rows.length + 1 : -1}>
          <div role="rowgroup" class="head">
            <div role="row" class="run-row" aria-rowindex={1}>
              <span role="columnheader">Started</span>
              <span role="columnheader">Type</span>
              <span role="columnheader">Run</span>
              <span role="columnheader">Model</span>
              <span role="columnheader">User</span>
              <span role="columnheader" class="number">
                Tokens
              </span>
              <span role="columnheader" class="number">
                Cost
              </span>
              <span role="columnheader" class="number">
                Duration
              </span>
            </div>
          </div>
          <Virtual
            count={list.rows.length}
            rowHeight={rowHeight}
            scroller={scroller}
            onEnd={list.more}
            row={(index) => (
              <Row
                key={list.rows[index]!.run_id}
                run={list.rows[index]!}
                index={index}
                top={index * rowHeight}
                open={() => list.place(scroller.current?.scrollTop ?? 0, list.rows[index]!.run_id)}
              />
            )}
          />
        </div>
        {list.rows.length === 0 && !list.loading && list.error === null && <Nothing filtered={text !== ""} />}
        {list.loading && (
          <p class="quiet">{list.searchedTo === null ? "Reading …" : `Searched back to ${moment(list.searchedTo)} …`}</p>
        )}
      </div>
    </div>
  );
}

function Row({ run, index, top, open }: { run: Summary; index: number; top: number; open: () => void }) {
  const target = href(["runs", run.run_id]);
  const tokens = run.usage;
  // What is counted at another run is shown, but recedes.
  const counted = run.billable ? "number" : "number elsewhere";
  return (
    <div
      role="row"
      class={`run-row ${run.status}`}
      aria-rowindex={index + 2}
      style={{ top: `${top}px` }}
      onClick={(event) => {
        if ((event.target as HTMLElement).closest("a") || getSelection()?.toString()) return;
        open();
        go(target);
      }}
    >
      <span role="cell" class="when" title={moment(run.started_at)}>
        {clock(run.started_at)}
      </span>
      <span role="cell" class="type">
        {run.type}
      </span>
      <span role="cell" class="what">
        <Status status={run.status} />
        <a id={`run-${run.run_id}`} href={target} onClick={open}>
          {run.name}
        </a>
        <span class="preview">{run.output_preview ?? run.input_preview}</span>
      </span>
      <span role="cell" class="model">
        {run.model ?? <span class="instead">{run.type}</span>}
      </span>
      <span role="cell" class="user">
        {run.user_id !== null && <a href={href(["runs"], { user: run.user_id })}>{run.user_id}</a>}
      </span>
      <span role="cell" class={`${counted} tokens`}>
        {tokens && (
          <>
            <span>{compact(tokens.input_tokens)}</span>
            <i aria-hidden="true">→</i>
            <span class="unseen">in, </span>
            <span>{compact(tokens.output_tokens)}</span>
            <span class="unseen"> out</span>
          </>
        )}
      </span>
      <span role="cell" class={`${counted} cost`}>
        {moneyInColumn(run.cost?.total)}
      </span>
      <span role="cell" class="number took">
        {run.duration_ns === null ? "" : duration(run.duration_ns)}
      </span>
    </div>
  );
}

function Sums({ totals }: { totals: Totals }) {
  return (
    <>
      <b>{count(totals.runs)}</b> runs
      {totals.errors > 0 && (
        <>
          , <b>{count(totals.errors)}</b> failed
        </>
      )}
      <span class="dot">·</span>
      <b>{compact(totals.input_tokens)}</b> tokens in, <b>{compact(totals.output_tokens)}</b> out
      <span class="dot">·</span>
      <b>{money(totals.cost)}</b>
      {totals.unpriced_runs > 0 && (
        <span title="Model calls whose cost is not known"> and {count(totals.unpriced_runs)} unpriced</span>
      )}
    </>
  );
}

function Nothing({ filtered }: { filtered: boolean }) {
  return (
    <div class="notice">
      {filtered ? (
        <>
          <h2>No run matches</h2>
          <p>
            Loosen a filter, or <a href="#/runs">show all runs</a>.
          </p>
        </>
      ) : (
        <>
          <h2>No runs yet</h2>
          <p>Point an instrumented application here, and its calls appear as they happen:</p>
          <pre>export OTEL_EXPORTER_OTLP_ENDPOINT=http://{location.hostname}:4318</pre>
        </>
      )}
    </div>
  );
}

function useRowHeight(): number {
  const [height, setHeight] = useState(narrow.matches ? 68 : 38);
  useEffect(() => {
    const changed = () => setHeight(narrow.matches ? 68 : 38);
    narrow.addEventListener("change", changed);
    return () => narrow.removeEventListener("change", changed);
  }, []);
  return height;
}
