// Input or output of a run, whatever it is.
import { isFields, messagesOf, type Fields } from "../model";
import { rate } from "../format";
import { Json } from "./json";
import { Messages } from "./messages";
import { Prose } from "./prose";

export function Contents({ title, value, expired }: { title: string; value: unknown; expired: boolean }) {
  if (value === null || value === undefined)
    return expired ? null : (
      <section class="contents">
        <h2>{title}</h2>
        <p class="muted">Not recorded</p>
      </section>
    );
  const messages = messagesOf(value);
  return (
    <section class="contents">
      <h2>{title}</h2>
      {messages ? <Messages messages={messages} /> : <Value value={value} />}
    </section>
  );
}

function Value({ value }: { value: unknown }) {
  if (typeof value === "string") return <Prose text={value} />;
  const documents = documentsOf(value);
  if (documents) return <Documents documents={documents} />;
  return (
    <div class="box">
      <Json value={value} />
    </div>
  );
}

function documentsOf(value: unknown): Fields[] | null {
  const list = isFields(value) && Object.keys(value).length === 1 ? value["documents"] : value;
  if (!Array.isArray(list) || list.length === 0) return null;
  const all = list.every((item) => isFields(item) && ("content" in item || "score" in item) && !("role" in item));
  return all ? (list as Fields[]) : null;
}

function Documents({ documents }: { documents: Fields[] }) {
  return (
    <ol class="documents">
      {documents.map((document, index) => {
        const { id, content, score, metadata } = document;
        return (
          <li key={index}>
            <div class="document-head">
              <b>{id === null || id === undefined ? `Document ${index + 1}` : String(id)}</b>
              {typeof score === "number" && (
                <span class="muted">score {Math.abs(score) < 10 ? score.toFixed(3) : rate(score)}</span>
              )}
            </div>
            {typeof content === "string" ? <Prose text={content} /> : content !== undefined && <Json value={content} />}
            {isFields(metadata) && Object.keys(metadata).length > 0 && <Json value={metadata} depth={2} />}
          </li>
        );
      })}
    </ol>
  );
}
