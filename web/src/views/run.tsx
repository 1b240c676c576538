// One run: its conversation, its place in the trace, and everything that was received.
import { useEffect } from "preact/hooks";
import { useLoaded } from "../api";
import { moment } from "../format";
import type { Run, Score, Summary } from "../model";
import { Contents } from "../parts/contents";
import {
  Belonging, CostTable, FieldGroup, Feedback, KeyFigures, Parameters, Relatives, Tools, UsageTable,
} from "../parts/facts";
import { CopyButton, Json } from "../parts/json";
import { useKeys } from "../parts/shortcuts";
import { Status } from "../parts/status";
import { go, href } from "../route";
import { Trace } from "./trace";

const TABS = [
  ["run", "Run"],
  ["trace", "Trace"],
  ["raw", "Raw"],
] as const;
/** Whatever shape the server gives others. */
const LEDGER = { shape: "ledger" };
/** What stands beside a run for clients of Lunary's API; it says nothing new. */
const REPEATED = new Set(["id", "duration", "tokens", "user", "feedback", "feedbacks", "scores"]);
const WHILE_RUNNING = 3000; // milliseconds
const OF_A_MODEL = ["llm", "embed", "rerank"];

interface Data<T> {
  data: T[];
}

export function RunView({ id, tab }: { id: string; tab: string }) {
  const path = `runs/${encodeURIComponent(id)}`;
  const loaded = useLoaded<Run>(path, LEDGER);
  const related = useLoaded<Data<Summary>>(`${path}/related`, undefined, WHILE_RUNNING * 3);
  const scores = useLoaded<Data<Score>>(`${path}/scores`);
  const run = loaded.data;
  const trace = related.data?.data ?? [];

  useEffect(() => {
    document.title = run ? `${run.name} – spanledger` : "spanledger";
  }, [run]);
  useKeys((key) => {
    if (key === "Escape") go("#/runs");
    else if (key === "1" || key === "2" || key === "3") go(tabOf(id, TABS[Number(key) - 1]![0]), true);
    else return false;
    return true;
  });

  if (loaded.error !== null)
    return (
      <div class="notice" role="alert">
        <h1>This run cannot be shown</h1>
        <p>{loaded.error}</p>
        <a href="#/runs">All runs</a>
      </div>
    );
  if (run === null || loaded.loading) return <p class="quiet">Reading …</p>;
  return (
    <article class="run-page">
      <Path run={run} trace={trace} />
      <header class="run-head">
        <h1>
          <Status status={run.status} />
          {run.name}
        </h1>
        <p class="muted">
          {[run.type, run.model ?? run.request_model, run.provider, moment(run.started_at)].filter(Boolean).join("  ·  ")}
        </p>
        <KeyFigures run={run} />
      </header>
      <nav class="tabs" aria-label="Parts of the run">
        {TABS.map(([name, title]) => (
          <a key={name} href={tabOf(id, name)} aria-current={tab === name ? "page" : undefined}>
            {title}
            {name === "trace" && trace.length > 1 && <span class="muted"> {trace.length}</span>}
          </a>
        ))}
      </nav>
      {run.error && <Problem error={run.error} />}
      {tab === "trace" ? (
        <Trace runs={trace} current={run.run_id} />
      ) : tab === "raw" ? (
        <Raw run={run} />
      ) : (
        <Details run={run} trace={trace} scores={scores.data?.data ?? []} />
      )}
    </article>
  );
}

function tabOf(id: string, tab: string): string {
  return href(tab === "run" ? ["runs", id] : ["runs", id, tab]);
}

/** The way from the list through the callers to the run. */
function Path({ run, trace }: { run: Run; trace: Summary[] }) {
  const known = new Map(trace.map((other) => [other.run_id, other]));
  const callers: Summary[] = [];
  let above = run.parent_run_id ? known.get(run.parent_run_id) : undefined;
  while (above && !callers.includes(above)) {
    callers.unshift(above);
    above = above.parent_run_id ? known.get(above.parent_run_id) : undefined;
  }
  return (
    <nav class="path" aria-label="Callers">
      <a href="#/runs">Runs</a>
      {callers.map((caller) => (
        <a key={caller.run_id} href={href(["runs", caller.run_id])}>
          {caller.name}
        </a>
      ))}
    </nav>
  );
}

function Problem({ error }: { error: NonNullable<Run["error"]> }) {
  return (
    <section class="error-box" aria-label="Error">
      <p>
        <b>{error.type ?? "Error"}</b>
        {error.code !== null && error.code !== undefined && error.code !== "" && <span> {String(error.code)}</span>}
      </p>
      {error.message && <p class="error-text">{error.message}</p>}
      {error.stack && (
        <details>
          <summary>Stack</summary>
          <pre class="code">{error.stack}</pre>
        </details>
      )}
    </section>
  );
}

function Details({ run, trace, scores }: { run: Run; trace: Summary[]; scores: Score[] }) {
  const expired = run.payload_expired === true;
  return (
    <div class="details">
      <div class="conversation">
        {expired && <p class="muted">The contents of this run have passed their retention; its figures stay.</p>}
        <Contents title="Input" value={run.input} expired={expired} />
        <Contents title="Output" value={run.output} expired={expired} />
      </div>
      <aside aria-label="Facts">
        {(run.usage !== null || OF_A_MODEL.includes(run.type)) && <UsageTable run={run} />}
        {run.cost && (run.cost.total !== null || run.billable) && <CostTable cost={run.cost} billable={run.billable} />}
        <Feedback scores={scores} />
        <Relatives run={run} related={trace} />
        <Parameters run={run} />
        <FieldGroup title="Agent" fields={run.agent} />
        <FieldGroup title="Tool" fields={run.tool} />
        <FieldGroup title="Prompt" fields={run.prompt} />
        <Belonging run={run} />
        <FieldGroup title="User" fields={run.user_props} />
        <FieldGroup title="Metadata" fields={run.metadata} />
        <Tools tools={run.tools} />
      </aside>
    </div>
  );
}

function Raw({ run }: { run: Run }) {
  const { input: _input, output: _output, attributes, warnings, ...rest } = run;
  const entries = Object.entries(rest).filter(([name]) => !REPEATED.has(name) && !/[A-Z]/.test(name));
  const fields = Object.fromEntries(entries);
  return (
    <div class="raw">
      {(warnings ?? []).length > 0 && (
        <section class="contents">
          <h2>What was repaired or doubted</h2>
          <ul>
            {warnings.map((warning) => (
              <li key={warning}>
                <code>{warning}</code>
              </li>
            ))}
          </ul>
        </section>
      )}
      <section class="contents">
        <h2>Attributes that no field took</h2>
        <div class="box">{attributes && <Json value={attributes} depth={1} />}</div>
      </section>
      <section class="contents">
        <h2>Fields</h2>
        <div class="box">
          <Json value={fields} depth={1} />
        </div>
      </section>
      <section class="contents">
        <h2>
          The whole run <CopyButton text={() => JSON.stringify(run, null, 2)} />
        </h2>
        <details>
          <summary>JSON</summary>
          <pre class="code">{JSON.stringify(run, null, 2)}</pre>
        </details>
      </section>
    </div>
  );
}
