// Messages as a conversation.
import type { ComponentChildren } from "preact";
import { isFields, type Fields, type Message } from "../model";
import { count } from "../format";
import { Json } from "./json";
import { Prose } from "./prose";

const ROLES: Record<string, string> = {
  system: "System",
  developer: "Developer",
  user: "User",
  assistant: "Assistant",
  tool: "Tool",
};

export function Messages({ messages }: { messages: Message[] }) {
  const names = calledNames(messages);
  return (
    <ol class="messages">
      {messages.map((message, index) => (
        <li key={index} class={`message ${ROLES[message.role] ? message.role : "other"}`}>
          <div class="role">
            {ROLES[message.role] ?? message.role}
            {message.name && <span class="by">{message.name}</span>}
          </div>
          <div class="parts">
            {message.parts.length === 0 && <p class="muted">No content</p>}
            {message.parts.map((part, place) => (
              <Part key={place} part={part} names={names} />
            ))}
            {message.finish_reason && !["stop", "tool_call"].includes(message.finish_reason) && (
              <p class="finish">ended: {message.finish_reason}</p>
            )}
          </div>
        </li>
      ))}
    </ol>
  );
}

/** Call id → name of the tool. Results often come with the id alone. */
function calledNames(messages: Message[]): Map<unknown, unknown> {
  const calls = messages.flatMap((message) => message.parts).filter((part) => part["type"] === "tool_call");
  return new Map(calls.map((part) => [part["id"], part["name"]]));
}

export function Part({ part, names }: { part: Fields; names?: Map<unknown, unknown> }) {
  switch (part["type"]) {
    case "text":
      return <Text value={part["content"]} />;
    case "reasoning":
      return (
        <details class="reasoning" open={String(part["content"] ?? "").length < 1200}>
          <summary>Reasoning</summary>
          {part["content"] ? <Text value={part["content"]} /> : <p class="muted">Not disclosed by the provider</p>}
        </details>
      );
    case "refusal":
      return (
        <div class="refusal">
          <b>Refused</b>
          <Text value={part["content"]} />
        </div>
      );
    case "tool_call":
      return (
        <Call title="calls" part={part}>
          <Arguments value={part["arguments"]} />
        </Call>
      );
    case "tool_call_response":
      return (
        <Call
          title={part["is_error"] ? "failed" : "returned"}
          part={{ ...part, name: part["name"] ?? names?.get(part["id"]) }}
          failed={Boolean(part["is_error"])}
        >
          <Arguments value={part["response"]} />
        </Call>
      );
    case "blob":
      return <Blob part={part} />;
    case "uri":
      return <Uri part={part} />;
    case "file":
      return <Attachment kind={part["modality"] ?? "file"} facts={[part["mime_type"], part["file_id"]]} />;
    default:
      return <Json value={part["value"] ?? part} />;
  }
}

function Text({ value }: { value: unknown }) {
  return typeof value === "string" ? <Prose text={value} /> : <Json value={value} />;
}

interface CallProps {
  title: string;
  part: Fields;
  failed?: boolean;
  children: ComponentChildren;
}

function Call({ title, part, failed = false, children }: CallProps) {
  return (
    <div class={failed ? "call failed" : "call"}>
      <div class="call-head">
        <span class="muted">{title}</span> <b>{String(part["name"] ?? "")}</b>
        {part["id"] ? <span class="call-id">{String(part["id"])}</span> : null}
      </div>
      {children}
    </div>
  );
}

/** Arguments or result of a tool: each field with its name, JSON in a text unfolded. */
export function Arguments({ value: given }: { value: unknown }) {
  const value = typeof given === "string" ? parsed(given) : given;
  if (!isFields(value)) return typeof value === "string" ? <pre class="code">{value}</pre> : <Json value={value} />;
  const entries = Object.entries(value);
  if (entries.length === 0) return <p class="muted">Nothing</p>;
  return (
    <dl class="arguments">
      {entries.map(([name, argument]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <Json value={argument} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function parsed(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

// SVG is left out: it is a document, not a picture.
const PICTURE = /^image\/(png|jpeg|gif|webp|avif)$/;
const BASE64 = /^[A-Za-z0-9+/\s]+=*\s*$/;

function Blob({ part }: { part: Fields }) {
  const mime = String(part["mime_type"] ?? "");
  const content = part["content"];
  if (typeof content === "string" && PICTURE.test(mime) && BASE64.test(content))
    return <img class="picture" src={`data:${mime};base64,${content.replace(/\s/g, "")}`} alt={`Attached ${mime}`} />;
  const size = isFields(content) && typeof content["size"] === "number" ? `${count(content["size"])} bytes` : null;
  const omitted = isFields(content) && content["omitted"] ? "not kept" : null;
  return <Attachment kind={part["modality"] ?? "blob"} facts={[mime, size, omitted]} />;
}

/** A link, never loaded by itself: to open a run must tell nobody. */
function Uri({ part }: { part: Fields }) {
  const uri = String(part["uri"] ?? "");
  const inlined = /^data:(image\/(?:png|jpeg|gif|webp|avif));base64,([A-Za-z0-9+/]+=*)$/.exec(uri);
  if (inlined) return <img class="picture" src={uri} alt={`Attached ${inlined[1]}`} />;
  return (
    <Attachment kind={part["modality"] ?? "link"} facts={[part["mime_type"]]}>
      {/^https?:\/\//i.test(uri) ? (
        <a href={uri} target="_blank" rel="noopener noreferrer nofollow">
          {uri}
        </a>
      ) : (
        <span class="address">{uri.slice(0, 300)}</span>
      )}
    </Attachment>
  );
}

function Attachment({ kind, facts, children }: { kind: unknown; facts: unknown[]; children?: ComponentChildren }) {
  return (
    <div class="attachment">
      <b>{String(kind)}</b> {children}
      {facts.filter(Boolean).map((fact, index) => (
        <span key={index} class="muted">
          {String(fact)}
        </span>
      ))}
    </div>
  );
}
