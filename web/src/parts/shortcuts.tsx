// Keys that work everywhere, and the list of all keys.
import { useEffect, useRef } from "preact/hooks";
import { go } from "../route";

const KEYS: [string[], string][] = [
  [["/"], "search the runs"],
  [["j", "k"], "next and previous row"],
  [["Enter"], "open the row"],
  [["Esc"], "back"],
  [["1", "2", "3"], "run, trace and raw of an open run"],
  [["g r"], "runs"],
  [["g t"], "threads"],
  [["g u"], "users"],
  [["g a"], "analytics"],
  [["?"], "this list"],
];
const PLACES: Record<string, string> = { r: "#/runs", t: "#/threads", u: "#/users", a: "#/analytics" };

/** Whether a key press is meant for the page and not for a field, a dialog or the browser. */
export function isForPage(event: KeyboardEvent): boolean {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return false;
  const target = event.target as HTMLElement;
  return !target.closest?.("input:not([type=radio]), select, textarea, dialog");
}

export function useKeys(handle: (key: string) => boolean): void {
  const latest = useRef(handle);
  latest.current = handle;
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (isForPage(event) && latest.current(event.key)) event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}

export function Shortcuts() {
  const dialog = useRef<HTMLDialogElement>(null);
  const begun = useRef(0);
  useKeys((key) => {
    if (key === "?") {
      dialog.current?.showModal();
      return true;
    }
    const place = Date.now() - begun.current < 1500 ? PLACES[key] : undefined;
    begun.current = key === "g" ? Date.now() : 0;
    if (place !== undefined) go(place);
    return place !== undefined;
  });
  return (
    <dialog ref={dialog} class="shortcuts" aria-labelledby="shortcuts-title">
      <h2 id="shortcuts-title">Keys</h2>
      <dl>
        {KEYS.map(([keys, meaning]) => (
          <div key={meaning}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <form method="dialog">
        <button type="submit">Close</button>
      </form>
    </dialog>
  );
}
