// A conversation as a chat, with what people thought of the answers.
import { useEffect } from "preact/hooks";
import { useLoaded } from "../api";
import { clock, compact, count, duration, moment, money } from "../format";
import { messagesOf, type Summary } from "../model";
import { Json } from "../parts/json";
import { Part } from "../parts/messages";
import { Prose } from "../parts/prose";
import { href } from "../route";
import { useMoreRows } from "./more-rows";
import type { Thread } from "./thread-list";

interface Turn {
  run_id: string;
  type: string;
  name: string;
  model: string | null;
  started_at: string;
  duration_ns: number | null;
  status: string;
  error: Summary["error"];
  input: unknown;
  output: unknown;
  cost: string | null;
  feedback: { thumb?: unknown; comment?: unknown } | null;
}

export function ThreadView({ id }: { id: string }) {
  const path = `threads/${encodeURIComponent(id)}`;
  const thread = useLoaded<Omit<Thread, "runs"> & { runs: Summary[] }>(path);
  // Pages go back in time, each of them forward.
  const turns = useMoreRows<Turn>(`${path}/messages`, { limit: "20" });
  const ordered = [...turns.rows].sort((a, b) => (a.started_at < b.started_at ? -1 : 1));
  useEffect(() => {
    document.title = "Thread – spanledger";
  }, []);
  return (
    <div class="page thread-page">
      <nav class="path" aria-label="Way back">
        <a href="#/threads">Threads</a>
      </nav>
      <header>
        <h1>{thread.data?.first_message?.slice(0, 120) || id}</h1>
        {thread.data && (
          <p class="muted">
            {[
              id,
              thread.data.user_id,
              `${count(thread.data.runs.length)} runs`,
              `${compact(thread.data.input_tokens)} tokens in, ${compact(thread.data.output_tokens)} out`,
              money(thread.data.cost),
            ]
              .filter(Boolean)
              .join("  ·  ")}
            {"  ·  "}
            <a href={href(["runs"], { session: id })}>All its runs</a>
          </p>
        )}
      </header>
      {(thread.error ?? turns.error) !== null && (
        <p class="problem" role="alert">
          {thread.error ?? turns.error}
        </p>
      )}
      {turns.more && (
        <button type="button" class="more" onClick={turns.more}>
          Show earlier
        </button>
      )}
      {turns.loading && <p class="muted">Reading …</p>}
      <ol class="turns">
        {ordered.map((turn) => (
          <li key={turn.run_id}>
            <Said value={turn.input} side="given" />
            <Said value={turn.output} side="got" />
            {turn.error && <p class="turn-error">{turn.error.message ?? turn.error.type ?? "failed"}</p>}
            <p class="turn-facts">
              <a href={href(["runs", turn.run_id])}>{turn.name}</a>
              {turn.model && turn.model !== turn.name && <span>{turn.model}</span>}
              <span title={moment(turn.started_at)}>{clock(turn.started_at)}</span>
              {turn.duration_ns !== null && <span>{duration(turn.duration_ns)}</span>}
              {turn.cost !== null && <span>{money(turn.cost)}</span>}
              <Opinion feedback={turn.feedback} />
            </p>
          </li>
        ))}
      </ol>
    </div>
  );
}

/** What was said on one side; what a model is told beforehand is no part of a chat. */
function Said({ value, side }: { value: unknown; side: "given" | "got" }) {
  if (value === null || value === undefined) return null;
  const messages = messagesOf(value);
  if (messages === null)
    return <div class={`bubble ${side}`}>{typeof value === "string" ? <Prose text={value} /> : <Json value={value} />}</div>;
  return (
    <>
      {messages
        .filter((message) => message.role !== "system" && message.role !== "developer" && message.parts.length > 0)
        .map((message, index) => (
          <div key={index} class={`bubble ${message.role === "user" ? "given" : "got"}`}>
            <span class="unseen">{message.role}: </span>
            {message.parts.map((part, place) => (
              <Part key={place} part={part} />
            ))}
          </div>
        ))}
    </>
  );
}

function Opinion({ feedback }: { feedback: Turn["feedback"] }) {
  if (feedback === null) return null;
  const thumb = String(feedback.thumb ?? "");
  const good = thumb === "up" || thumb === "true" || thumb === "1";
  return (
    <span class="opinion">
      {feedback.thumb !== undefined && feedback.thumb !== null && (
        <span role="img" aria-label={good ? "thumb up" : "thumb down"}>
          {good ? "👍" : "👎"}
        </span>
      )}
      {feedback.comment ? <q>{String(feedback.comment)}</q> : null}
    </span>
  );
}
