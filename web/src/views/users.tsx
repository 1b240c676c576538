// Who used the models, and what it cost.
import { clock, compact, count, moment, moneyInColumn } from "../format";
import type { Group } from "../model";
import { Paged } from "../parts/paged";
import { href } from "../route";
import { useMoreRows } from "./more-rows";

interface User extends Group {
  id: string;
}

export function Users({ query }: { query: URLSearchParams }) {
  const search = query.get("search") ?? "";
  const list = useMoreRows<User>("users", { limit: "100", ...(search && { search }) });
  return (
    <Paged view="users" title="Users" search={search} list={list} nothing="No run names a user.">
      {list.rows.length > 0 && (
        <div class="wide">
          <table class="plain">
            <thead>
              <tr>
                <th scope="col">User</th>
                <th scope="col">Last seen</th>
                <th scope="col" class="number">Runs</th>
                <th scope="col" class="number">Failed</th>
                <th scope="col" class="number">Threads</th>
                <th scope="col" class="number">Tokens in</th>
                <th scope="col" class="number">Tokens out</th>
                <th scope="col" class="number">Cost</th>
              </tr>
            </thead>
            <tbody>
              {list.rows.map((user) => (
                <tr key={user.id}>
                  <th scope="row">
                    <a href={href(["runs"], { user: user.id })}>{user.id}</a>
                  </th>
                  <td title={moment(user.last_at)}>{clock(user.last_at)}</td>
                  <td class="number">{count(user.runs)}</td>
                  <td class={user.errors > 0 ? "number bad" : "number"}>{user.errors > 0 ? count(user.errors) : ""}</td>
                  <td class="number">{user.sessions > 0 ? count(user.sessions) : ""}</td>
                  <td class="number">{compact(user.input_tokens)}</td>
                  <td class="number">{compact(user.output_tokens)}</td>
                  <td class="number">{moneyInColumn(user.cost)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Paged>
  );
}
