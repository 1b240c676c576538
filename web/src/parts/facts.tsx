// What stands beside the conversation: usage, cost, parameters, where the run belongs.
import type { ComponentChildren } from "preact";
import { count, duration, money, moneyColumn, rate, UNKNOWN } from "../format";
import { isFields, type Cost, type Fields, type Run, type Score, type Summary, type Usage } from "../model";
import { href } from "../route";
import { Json } from "./json";
import { Status } from "./status";

export function Group({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section class="group">
      <h2>{title}</h2>
      {children}
    </section>
  );
}

/** Names and values; what is not known is left out. */
export function Facts({ facts }: { facts: [string, ComponentChildren][] }) {
  const known = facts.filter(([, value]) => value !== null && value !== undefined && value !== "");
  if (known.length === 0) return null;
  return (
    <dl class="facts">
      {known.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function UsageTable({ run }: { run: Run }) {
  const { usage } = run;
  if (usage === null)
    return (
      <Group title="Usage">
        <p class="muted">Not known</p>
      </Group>
    );
  // Zero says something of caches and reasoning; of sounds and pictures it is noise.
  const rows: [string, number | null | undefined, boolean][] = [
    ["Input", usage.input_tokens, false],
    ["from cache", usage.cache_read_tokens, true],
    ["written to cache", usage.cache_write_tokens, true],
    ["audio", usage.input_audio_tokens || null, true],
    ["images", usage.input_image_tokens || null, true],
    ["Output", usage.output_tokens, false],
    ["reasoning", usage.reasoning_tokens, true],
    ["audio", usage.output_audio_tokens || null, true],
  ];
  return (
    <Group title="Usage">
      <table class="sums">
        <caption class="unseen">Tokens</caption>
        <tbody>
          {rows.map(([name, tokens, part], index) =>
            part && (tokens === null || tokens === undefined) ? null : (
              <tr key={index} class={part ? "part" : ""}>
                <th scope="row">{name}</th>
                <td>{count(tokens)}</td>
              </tr>
            ),
          )}
          <tr class="total">
            <th scope="row">Tokens</th>
            <td>{count(sum(usage))}</td>
          </tr>
        </tbody>
      </table>
      <UsageBar usage={usage} />
      <Facts facts={[...extra(usage.extra), ...(usage.source === "estimated" ? estimated : [])]} />
      {!run.billable && <p class="muted">Counted at another run of this trace, not here.</p>}
    </Group>
  );
}

const estimated: [string, string][] = [["Counted by", "estimate, not by the provider"]];

function sum(usage: Usage): number | null {
  const { input_tokens: given, output_tokens: got } = usage;
  return given == null && got == null ? null : (given ?? 0) + (got ?? 0);
}

function extra(counters: Usage["extra"]): [string, ComponentChildren][] {
  return Object.entries(counters ?? {}).map(([name, value]) => [
    name,
    typeof value === "number" ? count(value) : <Json value={value} />,
  ]);
}

/** The parts of input and output in proportion. */
function UsageBar({ usage }: { usage: Usage }) {
  const whole = sum(usage);
  if (!whole) return null;
  const cached = usage.cache_read_tokens ?? 0;
  const reasoning = usage.reasoning_tokens ?? 0;
  const parts: [string, number][] = [
    ["cached", cached],
    ["input", (usage.input_tokens ?? 0) - cached],
    ["reasoning", reasoning],
    ["output", (usage.output_tokens ?? 0) - reasoning],
  ];
  return (
    <div class="usage-bar" aria-hidden="true">
      {parts.map(([name, tokens]) =>
        tokens > 0 ? <span key={name} class={name} title={name} style={{ flexGrow: String(tokens) }} /> : null,
      )}
    </div>
  );
}

const SOURCES: Record<string, string> = {
  override: "a price of your own",
  reported: "reported by the sender",
  priced: "computed from the price list",
  free: "free of charge",
  cached: "answered from a cache",
  unknown_model: "the model has no known price",
  unknown_usage: "the tokens are not known",
};

export function CostTable({ cost, billable }: { cost: Cost; billable: boolean }) {
  const parts = Object.entries(cost.parts ?? {});
  const amounts = moneyColumn([...parts.map(([, amount]) => amount), cost.total]);
  return (
    <Group title="Cost">
      <table class="sums">
        <caption class="unseen">US dollars</caption>
        <tbody>
          {parts.map(([name], index) => (
            <tr key={name}>
              <th scope="row">{name.replaceAll("_", " ")}</th>
              <td>{amounts[index]}</td>
            </tr>
          ))}
          <tr class="total">
            <th scope="row">Total</th>
            <td>{amounts.at(-1)}</td>
          </tr>
        </tbody>
      </table>
      <Facts
        facts={[
          ["Source", SOURCES[cost.source ?? ""] ?? cost.source],
          ["Price", cost.price_ref],
          ["Reported", cost.reported && money(cost.reported)],
          ["Computed", cost.reported && cost.computed && money(cost.computed)],
          ["Tier", cost.service_tier],
        ]}
      />
      {!billable && cost.total !== null && <p class="muted">Not part of any sum.</p>}
    </Group>
  );
}

/** The figures at the head of a run. */
export function KeyFigures({ run }: { run: Run }) {
  const { usage } = run;
  const figures: [string, string, string?][] = [
    ["Duration", duration(run.duration_ns)],
    ["First token", run.ttft_ns === null ? "" : duration(run.ttft_ns)],
    ["Tokens in", usage ? count(usage.input_tokens) : ""],
    ["Tokens out", usage ? count(usage.output_tokens) : ""],
    ["Tokens a second", run.tokens_per_second === null ? "" : rate(run.tokens_per_second)],
    ["Cost", run.cost === null || (run.cost.total === null && !run.billable) ? "" : money(run.cost.total)],
  ];
  return (
    <dl class="figures">
      {figures
        .filter(([, value]) => value !== "" && value !== UNKNOWN)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

export function Parameters({ run }: { run: Run }) {
  const entries = Object.entries(run.params ?? {});
  if (entries.length === 0) return null;
  return (
    <Group title="Parameters">
      <Facts facts={entries.map(([name, value]) => [name, plain(value)])} />
    </Group>
  );
}

export function FieldGroup({ title, fields }: { title: string; fields: Fields | null }) {
  const entries = Object.entries(fields ?? {}).filter(([, value]) => value !== null);
  if (entries.length === 0) return null;
  return (
    <Group title={title}>
      <Facts facts={entries.map(([name, value]) => [name, plain(value)])} />
    </Group>
  );
}

function plain(value: unknown): ComponentChildren {
  return typeof value === "string" ? value : <Json value={value} depth={2} />;
}

export function Belonging({ run }: { run: Run }) {
  return (
    <Group title="Belongs to">
      <Facts
        facts={[
          ["User", run.user_id && <a href={href(["runs"], { user: run.user_id })}>{run.user_id}</a>],
          ["Thread", run.session_id && <a href={href(["threads", run.session_id])}>{run.session_id}</a>],
          [
            "Tags",
            run.tags.length === 0 ? null : (
              <span class="tags">
                {run.tags.map((tag) => (
                  <a key={tag} class="tag" href={href(["runs"], { tag })}>
                    {tag}
                  </a>
                ))}
              </span>
            ),
          ],
          ["Service", [run.service_name, run.service_version].filter(Boolean).join(" ")],
          ["Environment", run.environment],
          ["Release", run.release],
          ["Told by", [run.scope_name, run.scope_version].filter(Boolean).join(" ")],
        ]}
      />
    </Group>
  );
}

export function Tools({ tools }: { tools: unknown }) {
  if (!Array.isArray(tools) || tools.length === 0) return null;
  return (
    <Group title={`Tools offered (${tools.length})`}>
      <ul class="tools">
        {tools.map((tool: unknown, index) => {
          const fields = isFields(tool) ? tool : { name: String(tool) };
          return (
            <li key={index}>
              <details>
                <summary>{String(fields["name"] ?? "unnamed")}</summary>
                {fields["description"] ? <p>{String(fields["description"])}</p> : null}
                {fields["parameters"] ? <Json value={fields["parameters"]} depth={1} /> : null}
              </details>
            </li>
          );
        })}
      </ul>
    </Group>
  );
}

export function Relatives({ run, related }: { run: Run; related: Summary[] }) {
  const children = related.filter((other) => other.parent_run_id === run.run_id);
  const parent = related.find((other) => other.run_id === run.parent_run_id);
  if (!parent && children.length === 0) return null;
  return (
    <Group title="In this trace">
      <ul class="relatives">
        {parent && <Relative run={parent} title="called by" />}
        {children.slice(0, 20).map((child) => (
          <Relative key={child.run_id} run={child} title="calls" />
        ))}
      </ul>
      <p>
        <a href={href(["runs", run.run_id, "trace"])}>All {count(related.length)} runs of the trace</a>
      </p>
    </Group>
  );
}

function Relative({ run, title }: { run: Summary; title: string }) {
  return (
    <li>
      <span class="muted">{title}</span>
      <a href={href(["runs", run.run_id])}>
        <Status status={run.status} />
        {run.name}
      </a>
      <span class="muted number">{duration(run.duration_ns)}</span>
    </li>
  );
}

export function Feedback({ scores }: { scores: Score[] }) {
  if (scores.length === 0) return null;
  return (
    <Group title="Feedback and scores">
      <ul class="scores">
        {scores.map((score, index) => (
          <li key={index}>
            <ScoreLine score={score} />
          </li>
        ))}
      </ul>
    </Group>
  );
}

const THUMBS: Record<string, string> = { up: "👍 up", down: "👎 down" };

export function ScoreLine({ score }: { score: Score }) {
  const value = score.value === null || score.value === undefined ? "" : String(score.value);
  return (
    <>
      <b>{score.name}</b> <span>{score.name === "thumb" ? (THUMBS[value] ?? value) : value || score.label}</span>
      {score.comment && score.comment !== value && <q>{score.comment}</q>}
      {score.source && <span class="muted">{score.source}</span>}
    </>
  );
}
