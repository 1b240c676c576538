// The pages of the run list that were read so far, with what arrives meanwhile on top.
import { useEffect, useRef, useState } from "preact/hooks";
import { get } from "../api";
import type { Summary } from "../model";

const PAGE = "100";
const NEWEST = "50"; // looked at again and again
const EVERY = 3000; // milliseconds
const ENOUGH = 50; // rows, of a search

export interface RunPage {
  data: Summary[];
  next_cursor: string | null;
  /** A time, where a search ended before it had looked at everything that the page could hold. */
  searched_back_to?: string;
}

interface Pages {
  query: string;
  rows: Summary[];
  next: string | null;
  searchedTo: string | null;
  /** Where the reader was, for coming back from a run. */
  scrollTop: number;
  active: string | null;
}

let kept: Pages | null = null;
addEventListener("keychange", () => {
  kept = null; // another key, other runs
});

export interface RunPages extends Pages {
  loading: boolean;
  error: string | null;
  more: () => void;
  /** Remember the place. */
  place: (scrollTop: number, active: string | null) => void;
}

/** `inserted` is told how many rows came in above which were there already. */
export function useRunPages(query: string, live: boolean, inserted: (rows: number) => void): RunPages {
  const [pages, setPages] = useState<Pages>(() =>
    kept?.query === query ? kept : { query, rows: [], next: null, searchedTo: null, scrollTop: 0, active: null },
  );
  const [loading, setLoading] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const current = useRef(pages);
  const busy = useRef(false);
  const generation = useRef(new AbortController());
  const tell = useRef(inserted);
  tell.current = inserted;

  const show = (changed: Pages) => {
    kept = current.current = changed;
    setPages(changed);
  };

  const read = async (cursor: string | null) => {
    if (busy.current) return;
    busy.current = true;
    setLoading(true);
    const { signal } = generation.current;
    try {
      let from = cursor;
      let found = 0;
      do {
        const page = await get<RunPage>("runs", withPaging(query, PAGE, from), signal);
        const known = from === null ? [] : current.current.rows;
        const rows = [...known, ...page.data.map(slim)];
        from = page.next_cursor;
        show({ ...current.current, query, rows, next: from, searchedTo: page.searched_back_to ?? null });
        found += page.data.length;
        if (page.searched_back_to === undefined) break;
      } while (from !== null && found < ENOUGH); // a search goes on by itself until there is something to show
      setError(null);
    } catch (problem) {
      if (!signal.aborted) setError(problem instanceof Error ? problem.message : String(problem));
    } finally {
      if (!signal.aborted) {
        busy.current = false;
        setLoading(false);
      }
    }
  };

  useEffect(() => {
    generation.current = new AbortController();
    busy.current = false;
    if (kept?.query === query) show(kept);
    else {
      show({ query, rows: [], next: null, searchedTo: null, scrollTop: 0, active: null });
      void read(null);
    }
    return () => generation.current.abort();
  }, [query]);

  useEffect(() => {
    if (!live) return;
    const { signal } = generation.current;
    const look = async () => {
      if (document.hidden || busy.current) return;
      try {
        const page = await get<RunPage>("runs", withPaging(query, NEWEST, null), signal);
        if (signal.aborted || busy.current) return;
        const merged = merge(current.current, page);
        if (merged === null) return;
        const added = merged.rows.length - current.current.rows.length;
        show(merged);
        setError(null);
        if (added > 0) tell.current(added);
      } catch (problem) {
        if (!signal.aborted) setError(problem instanceof Error ? problem.message : String(problem));
      }
    };
    const timer = setInterval(() => void look(), EVERY);
    return () => clearInterval(timer);
  }, [query, live]);

  const shown = pages.query === query ? pages : { query, rows: [], next: null, searchedTo: null, scrollTop: 0, active: null };
  return {
    ...shown,
    loading: loading || pages.query !== query,
    error,
    more: () => {
      if (current.current.next !== null && current.current.query === query) void read(current.current.next);
    },
    place: (scrollTop, active) => {
      current.current.scrollTop = scrollTop;
      current.current.active = active;
    },
  };
}

/** The pages with the newest runs put in, null when nothing changed. */
export function merge(pages: Pages, page: RunPage): Pages | null {
  const newest = page.data.map(slim);
  const ids = new Set(newest.map((run) => run.run_id));
  const known = new Map(pages.rows.map((run) => [run.run_id, run]));
  if (newest.every((run) => same(run, known.get(run.run_id)))) return null;
  const whole = page.searched_back_to === undefined; // else it held everything down to there
  if (whole && page.next_cursor !== null && pages.rows.length > 0 && !newest.some((run) => known.has(run.run_id)))
    return { ...pages, rows: newest, next: page.next_cursor }; // more came than one look shows: begin anew
  const rest = pages.rows.filter((run) => !ids.has(run.run_id));
  const rows = [...newest, ...rest].sort(newestFirst);
  return { ...pages, rows, next: pages.rows.length > 0 ? pages.next : page.next_cursor };
}

function newestFirst(a: Summary, b: Summary): number {
  if (a.started_at !== b.started_at) return a.started_at < b.started_at ? 1 : -1;
  return a.run_id < b.run_id ? 1 : a.run_id > b.run_id ? -1 : 0;
}

function same(a: Summary, b: Summary | undefined): boolean {
  return b !== undefined && JSON.stringify(a) === JSON.stringify(b);
}

/** What the list shows, and no more: 100,000 of them are kept. */
function slim(run: Summary): Summary {
  const { run_id, parent_run_id, trace_id, type, name, status, started_at, duration_ns, model, usage, billable } = run;
  const counted = usage && { input_tokens: usage.input_tokens ?? null, output_tokens: usage.output_tokens ?? null };
  return {
    run_id, parent_run_id, trace_id, type, name, status, started_at, duration_ns, billable,
    model: model ?? run.request_model,
    usage: counted,
    cost: run.cost && { total: run.cost.total },
    user_id: run.user_id,
    tags: run.tags,
    session_id: run.session_id,
    input_preview: short(run.input_preview),
    output_preview: short(run.output_preview),
  } as Summary;
}

function short(text: string | null | undefined): string | null {
  return text ? text.slice(0, 160) : null;
}

function withPaging(query: string, limit: string, cursor: string | null): URLSearchParams {
  const parameters = new URLSearchParams(query);
  parameters.set("limit", limit);
  parameters.set("shape", "ledger"); // whatever the server gives others
  if (cursor !== null) parameters.set("cursor", cursor);
  return parameters;
}
