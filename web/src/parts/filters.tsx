// Which runs are shown. The address holds it, so that it can be kept and sent.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Summary } from "../model";
import { go, href } from "../route";

const TYPES = [
  "llm", "embed", "rerank", "retriever", "tool", "agent", "chain", "thread", "chat", "guardrail", "evaluator", "custom",
];
const STATUSES: [string, string][] = [
  ["success", "Succeeded"],
  ["error", "Failed"],
  ["cancelled", "Cancelled"],
  ["started", "Running"],
];
const TIMES: [string, string, number][] = [
  ["1h", "Last hour", 1],
  ["24h", "Last day", 24],
  ["7d", "Last 7 days", 24 * 7],
  ["30d", "Last 30 days", 24 * 30],
];
/** Filters with a value of the reader's own. */
const FIELDS: [string, string][] = [
  ["model", "Model"],
  ["user", "User"],
  ["tag", "Tag"],
  ["session", "Session"],
  ["name", "Name"],
  ["trace", "Trace"],
];

/** What the API is asked for the filters in an address. */
export function requestOf(query: URLSearchParams, now = Date.now()): URLSearchParams {
  const request = new URLSearchParams();
  for (const [name, value] of query) {
    if (name === "since") {
      const hours = TIMES.find(([id]) => id === value)?.[2];
      if (hours !== undefined) request.set("from", new Date(now - hours * 3_600_000).toISOString());
    } else if (value !== "" && (name === "search" || name === "type" || name === "status" || FIELDS.some(([id]) => id === name)))
      request.append(name, value);
  }
  return request;
}

export function Filters({ query, rows }: { query: URLSearchParams; rows: Summary[] }) {
  const change = (edit: (next: URLSearchParams) => void) => {
    const next = new URLSearchParams(query);
    edit(next);
    go(href(["runs"], next), true);
  };
  const one = (name: string, value: string) => change((next) => (value ? next.set(name, value) : next.delete(name)));
  const chips = [...query].filter(([name]) => FIELDS.some(([id]) => id === name));
  return (
    <div class="filters" role="search">
      <Search value={query.get("search") ?? ""} change={(value) => one("search", value)} />
      <Select label="Type" value={query.get("type") ?? ""} change={(value) => one("type", value)}>
        {[["", "All types"], ...TYPES.map((type) => [type, type])]}
      </Select>
      <Select label="Status" value={query.get("status") ?? ""} change={(value) => one("status", value)}>
        {[["", "Any status"], ...STATUSES]}
      </Select>
      <Select label="Time" value={query.get("since") ?? ""} change={(value) => one("since", value)}>
        {[["", "Any time"], ...TIMES.map(([id, title]) => [id, title])]}
      </Select>
      <AddFilter rows={rows} add={(name, value) => change((next) => next.append(name, value))} />
      {chips.map(([name, value]) => (
        <button
          key={`${name}:${value}`}
          type="button"
          class="chip"
          aria-label={`Remove filter ${name} ${value}`}
          onClick={() => change((next) => next.delete(name, value))}
        >
          <span>{name}</span> {value}
        </button>
      ))}
      {query.size > 0 && (
        <a class="clear" href="#/runs">
          Clear
        </a>
      )}
    </div>
  );
}

/** Asks when the typing pauses. */
function Search({ value, change }: { value: string; change: (value: string) => void }) {
  const [text, setText] = useState(value);
  const timer = useRef(0);
  useEffect(() => setText(value), [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  return (
    <input
      id="search"
      type="search"
      class="search"
      placeholder="Search"
      aria-label="Search in names, messages and errors"
      aria-keyshortcuts="/"
      spellcheck={false}
      value={text}
      onInput={(event) => {
        const typed = event.currentTarget.value;
        setText(typed);
        clearTimeout(timer.current);
        timer.current = setTimeout(() => change(typed.trim()), 300) as unknown as number;
      }}
      onKeyDown={(event) => {
        if (event.key === "Escape") event.currentTarget.blur();
        if (event.key !== "Enter") return;
        clearTimeout(timer.current);
        change(text.trim());
      }}
    />
  );
}

export interface SelectProps {
  label: string;
  value: string;
  change: (value: string) => void;
  children: string[][];
}

export function Select({ label, value, change, children }: SelectProps) {
  return (
    <select
      aria-label={label}
      class={value ? "chosen" : ""}
      value={value}
      onChange={(event) => change(event.currentTarget.value)}
    >
      {children.map(([id, title]) => (
        <option key={id} value={id}>
          {title}
        </option>
      ))}
    </select>
  );
}

function AddFilter({ rows, add }: { rows: Summary[]; add: (name: string, value: string) => void }) {
  const [field, setField] = useState("model");
  const [value, setValue] = useState("");
  const details = useRef<HTMLDetailsElement>(null);
  const submit = (event: Event) => {
    event.preventDefault();
    if (!value.trim()) return;
    add(field, value.trim());
    setValue("");
    if (details.current) details.current.open = false;
  };
  return (
    <details
      class="add-filter"
      ref={details}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !details.current?.open) return;
        details.current.open = false;
        details.current.querySelector("summary")?.focus();
        event.stopPropagation();
      }}
    >
      <summary>Filter</summary>
      <form onSubmit={submit}>
        <Select label="Field" value={field} change={setField}>
          {FIELDS}
        </Select>
        <input
          aria-label="Value"
          list="known-values"
          value={value}
          spellcheck={false}
          onInput={(event) => setValue(event.currentTarget.value)}
        />
        <datalist id="known-values">
          {known(field, rows).map((text) => (
            <option key={text} value={text} />
          ))}
        </datalist>
        <button type="submit">Add</button>
      </form>
    </details>
  );
}

/** Values that stand in the list. */
function known(field: string, rows: Summary[]): string[] {
  const found = new Set<string>();
  for (const run of rows.slice(0, 2000)) {
    const value = { model: run.model, user: run.user_id, session: run.session_id, name: run.name, trace: null }[field];
    if (field === "tag") run.tags.forEach((tag) => found.add(tag));
    else if (value) found.add(value);
    if (found.size >= 100) break;
  }
  return [...found].sort();
}
