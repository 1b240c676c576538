// Text of people and models. It is shown as written; only code is set apart. Nothing in it is ever taken for HTML.
import { useState } from "preact/hooks";

const LONG = 6000;

export function Prose({ text }: { text: string }) {
  const [all, setAll] = useState(text.length <= LONG * 1.5);
  return (
    <div class="prose">
      {blocks(all ? text : text.slice(0, LONG))}
      {!all && (
        <button type="button" class="quiet-button" onClick={() => setAll(true)}>
          … {(text.length - LONG).toLocaleString("en-US")} more characters
        </button>
      )}
    </div>
  );
}

function blocks(text: string) {
  // Odd parts are the insides of ``` fences.
  return text.split(/^```[^\S\n]*([\w+#.-]*)[^\S\n]*$/m).reduce<preact.JSX.Element[]>((found, part, index, parts) => {
    if (index % 4 === 2)
      found.push(
        <pre key={index} class="code">
          {part.replace(/^\n|\n$/g, "")}
        </pre>,
      );
    else if (index % 4 === 0 && part.trim() !== "")
      found.push(
        <p key={index}>{inline(part.replace(/^\n+|\s+$/g, ""))}</p>,
      );
    else if (index % 4 === 3 && parts[index]?.trim()) found.push(<p key={index}>{part}</p>);
    return found;
  }, []);
}

function inline(text: string) {
  return text.split(/(`[^`\n]+`|\*\*[^*\n]+\*\*)/).map((part, index) => {
    if (index % 2 === 0) return part;
    return part.startsWith("`") ? <code key={index}>{part.slice(1, -1)}</code> : <b key={index}>{part.slice(2, -2)}</b>;
  });
}
