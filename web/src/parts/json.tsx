// Values of any shape: small ones in a line, large ones as a tree that folds.
import { useState } from "preact/hooks";
import { isFields } from "../model";

const LONG_TEXT = 2000;
const MANY = 100;

export function Json({ value, depth = 0 }: { value: unknown; depth?: number }) {
  if (value === null || value === undefined) return <span class="json-null">null</span>;
  if (typeof value === "string") return <JsonText text={value} />;
  if (typeof value === "number" || typeof value === "boolean") return <span class="json-number">{String(value)}</span>;
  const entries: [string, unknown][] = Array.isArray(value)
    ? value.map((item, index) => [String(index), item])
    : Object.entries(value as object);
  if (entries.length === 0) return <span class="json-null">{Array.isArray(value) ? "[]" : "{}"}</span>;
  return <Entries entries={entries} depth={depth} list={Array.isArray(value)} />;
}

function Entries({ entries, depth, list }: { entries: [string, unknown][]; depth: number; list: boolean }) {
  const [all, setAll] = useState(false);
  const shown = all ? entries : entries.slice(0, MANY);
  return (
    <div class="json">
      {shown.map(([key, value]) => {
        const name = <span class={list ? "json-index" : "json-key"}>{key}</span>;
        const nested = (Array.isArray(value) || isFields(value)) && Object.keys(value).length > 0;
        return nested ? (
          <details key={key} open={depth < 2}>
            <summary>
              {name} <span class="json-size">{sizeOf(value)}</span>
            </summary>
            <Json value={value} depth={depth + 1} />
          </details>
        ) : (
          <div key={key} class="json-entry">
            {name} <Json value={value} depth={depth + 1} />
          </div>
        );
      })}
      {!all && entries.length > MANY && (
        <button type="button" class="quiet-button" onClick={() => setAll(true)}>
          {entries.length - MANY} more
        </button>
      )}
    </div>
  );
}

function JsonText({ text }: { text: string }) {
  const [all, setAll] = useState(text.length <= LONG_TEXT);
  return (
    <span class="json-text">
      {all ? text : text.slice(0, LONG_TEXT)}
      {!all && (
        <button type="button" class="quiet-button" onClick={() => setAll(true)}>
          … {(text.length - LONG_TEXT).toLocaleString("en-US")} more characters
        </button>
      )}
    </span>
  );
}

function sizeOf(value: unknown): string {
  const size = Array.isArray(value) ? value.length : Object.keys(value as object).length;
  const unit = Array.isArray(value) ? "item" : "field";
  return `${size} ${unit}${size === 1 ? "" : "s"}`;
}

export function CopyButton({ text }: { text: () => string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text());
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return (
    <button type="button" class="quiet-button" onClick={() => void copy().catch(() => setDone(false))}>
      {done ? "Copied" : "Copy"}
    </button>
  );
}
