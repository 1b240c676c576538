// The frame around every view: name, navigation, theme, keys.
import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { KeyDialog } from "./parts/key";
import { Shortcuts } from "./parts/shortcuts";
import { ThemeSwitch } from "./parts/theme";
import { href, useRoute, type Route } from "./route";
import { Analytics } from "./views/analytics";
import { RunList } from "./views/run-list";
import { RunView } from "./views/run";
import { ThreadList } from "./views/thread-list";
import { ThreadView } from "./views/thread";
import { Users } from "./views/users";

export const VIEWS = [
  ["runs", "Runs"],
  ["threads", "Threads"],
  ["users", "Users"],
  ["analytics", "Analytics"],
] as const;

export function App() {
  const route = useRoute();
  const view = route.path[0] ?? "runs";
  // After a key was given everything is read anew.
  const [generation, setGeneration] = useState(0);
  useEffect(() => {
    const again = () => setGeneration((n) => n + 1);
    addEventListener("keychange", again);
    return () => removeEventListener("keychange", again);
  }, []);
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href="#/runs">
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d="M2 4h12M4.5 8H14M7 12h7" />
          </svg>
          spanledger
        </a>
        <nav aria-label="Views">
          {VIEWS.map(([id, title]) => (
            <a key={id} href={href([id])} aria-current={view === id ? "page" : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <ThemeSwitch />
      </header>
      <main id="main" tabIndex={-1} key={generation}>
        {viewOf(route)}
      </main>
      <KeyDialog />
      <Shortcuts />
    </>
  );
}

function skip(event: Event) {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function viewOf({ path, query }: Route): VNode {
  const [view, id, tab] = path;
  switch (view) {
    case undefined:
      return <RunList query={query} />;
    case "runs":
      return id === undefined ? <RunList query={query} /> : <RunView id={id} tab={tab ?? "run"} />;
    case "threads":
      return id === undefined ? <ThreadList query={query} /> : <ThreadView id={id} />;
    case "users":
      return <Users query={query} />;
    case "analytics":
      return <Analytics query={query} />;
    default:
      return (
        <div class="notice">
          <h1>Nothing is here</h1>
          <p>
            Go to the <a href="#/runs">runs</a>.
          </p>
        </div>
      );
  }
}
