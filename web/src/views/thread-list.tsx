// Conversations, the newest first.
import { clock, count, moment, moneyInColumn } from "../format";
import type { Group } from "../model";
import { Paged } from "../parts/paged";
import { href } from "../route";
import { useMoreRows } from "./more-rows";

export interface Thread extends Group {
  id: string;
  user_id: string | null;
  first_message: string | null;
  tags: string[];
}

export function ThreadList({ query }: { query: URLSearchParams }) {
  const search = query.get("search") ?? "";
  const list = useMoreRows<Thread>("threads", { limit: "50", ...(search && { search }) });
  return (
    <Paged view="threads" title="Threads" search={search} list={list} nothing="No run names a session.">
      <ol class="threads">
        {list.rows.map((thread) => (
          <li key={thread.id}>
            <a href={href(["threads", thread.id])}>{thread.first_message || thread.id}</a>
            <span class="thread-facts">
              <span>{thread.id}</span>
              {thread.user_id && <span>{thread.user_id}</span>}
              <span>
                {count(thread.runs)} run{thread.runs === 1 ? "" : "s"}
              </span>
              {thread.errors > 0 && <span class="bad">{count(thread.errors)} failed</span>}
              {thread.tags.map((tag) => (
                <span key={tag}>{tag}</span>
              ))}
            </span>
            <span class="thread-when" title={moment(thread.last_at)}>
              {clock(thread.last_at)}
            </span>
            <span class="number thread-cost">{moneyInColumn(thread.cost)}</span>
          </li>
        ))}
      </ol>
    </Paged>
  );
}
