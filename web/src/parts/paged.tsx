// The head and the end of a list in pages.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { go, href } from "../route";
import type { MoreRows } from "../views/more-rows";

export interface PagedProps {
  view: string;
  title: string;
  /** What to look for. */
  search: string;
  list: MoreRows<unknown>;
  nothing: string;
  children: ComponentChildren;
}

export function Paged({ view, title, search, list, nothing, children }: PagedProps) {
  const [text, setText] = useState(search);
  const timer = useRef(0);
  useEffect(() => {
    document.title = `${title} – spanledger`;
    return () => clearTimeout(timer.current);
  }, [title]);
  return (
    <div class="page">
      <div class="page-head">
        <h1>{title}</h1>
        <input
          type="search"
          class="search"
          placeholder="Search by id"
          aria-label={`Search ${title.toLowerCase()} by id`}
          value={text}
          onInput={(event) => {
            const typed = event.currentTarget.value;
            setText(typed);
            clearTimeout(timer.current);
            const ask = () => go(href([view], typed.trim() ? { search: typed.trim() } : {}), true);
            timer.current = setTimeout(ask, 300) as unknown as number;
          }}
        />
      </div>
      {list.error !== null && (
        <p class="problem" role="alert">
          {list.error}
        </p>
      )}
      {children}
      {list.loading && <p class="muted">Reading …</p>}
      {!list.loading && list.error === null && list.rows.length === 0 && <p class="muted">{nothing}</p>}
      {list.more && (
        <button type="button" class="more" onClick={list.more}>
          Show more
        </button>
      )}
    </div>
  );
}
