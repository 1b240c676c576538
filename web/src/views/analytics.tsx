// Cost, tokens, calls, latency and errors over time.
import { useEffect, useMemo } from "preact/hooks";
import { useLoaded } from "../api";
import { compact, count, duration, money, moneyInColumn, percent } from "../format";
import type { Group } from "../model";
import { Chart, type Line } from "../parts/chart";
import { Select } from "../parts/filters";
import { go, href } from "../route";

interface Measured extends Group {
  key: string | null;
  duration_ns: Record<string, number> | null;
  ttft_ns: Record<string, number> | null;
}

interface Answer {
  totals: Measured | null;
  groups: Measured[];
  series: (Measured & { at: string })[];
}

const RANGES: Record<string, { title: string; hours: number; interval: "hour" | "day" }> = {
  "24h": { title: "Last day", hours: 24, interval: "hour" },
  "7d": { title: "Last 7 days", hours: 24 * 7, interval: "hour" },
  "30d": { title: "Last 30 days", hours: 24 * 30, interval: "day" },
  "90d": { title: "Last 90 days", hours: 24 * 90, interval: "day" },
};
const SECONDS = { hour: 3600, day: 86_400 };
const BY = [
  ["", "All together"],
  ["model", "By model"],
  ["user", "By user"],
  ["tag", "By tag"],
];
const WHAT = [
  ["", "Model calls"],
  ["all", "All runs"],
];
const MODEL_CALLS = ["llm", "embed", "rerank"];
const LEVELS = ["p50", "p95", "p99"];
const LINES = 5; // of a chart, when there are groups
const EVERY = 30_000; // milliseconds

export function Analytics({ query }: { query: URLSearchParams }) {
  const range = RANGES[query.get("range") ?? ""] ?? RANGES["7d"]!;
  const by = BY.some(([id]) => id === query.get("by")) ? query.get("by")! : "";
  const what = query.get("what") === "all" ? "all" : "";
  const { times, request } = useMemo(() => {
    const width = SECONDS[range.interval];
    const last = Math.floor(Date.now() / 1000 / width) * width;
    const length = (range.hours * 3600) / width;
    const shown = Array.from({ length }, (_, index) => last - (length - 1 - index) * width);
    const asked = new URLSearchParams({ interval: range.interval, from: new Date(shown[0]! * 1000).toISOString() });
    if (by) asked.set("by", by);
    if (!what) for (const type of MODEL_CALLS) asked.append("type", type);
    return { times: shown, request: asked.toString() };
  }, [range, by, what]);
  const { data, error, loading } = useLoaded<Answer>("analytics", request, EVERY);
  useEffect(() => {
    document.title = "Analytics – spanledger";
  }, []);
  const change = (name: string, value: string) => {
    const next = new URLSearchParams(query);
    if (value) next.set(name, value);
    else next.delete(name);
    go(href(["analytics"], next), true);
  };
  return (
    <div class="page">
      <div class="page-head">
        <h1>Analytics</h1>
        <Select label="What" value={what} change={(value) => change("what", value)}>
          {WHAT}
        </Select>
        <Select label="Groups" value={by} change={(value) => change("by", value)}>
          {BY}
        </Select>
        <Select label="Time" value={query.get("range") ?? "7d"} change={(value) => change("range", value)}>
          {Object.entries(RANGES).map(([id, { title }]) => [id, title])}
        </Select>
      </div>
      {error !== null && (
        <p class="problem" role="alert">
          {error}
        </p>
      )}
      {data === null && loading && <p class="muted">Reading …</p>}
      {data !== null && (data.totals === null || data.totals.runs === 0) && <p class="muted">No calls in this time.</p>}
      {data?.totals && data.totals.runs > 0 && (
        <>
          <Head totals={data.totals} />
          <Charts answer={data} times={times} by={by} />
          {by && <Groups groups={data.groups} by={by} />}
        </>
      )}
    </div>
  );
}

function Head({ totals }: { totals: Measured }) {
  const figures: [string, string][] = [
    ["Cost", money(totals.cost)],
    ["Calls", count(totals.runs)],
    ["Failed", percent(totals.errors, totals.runs)],
    ["Tokens in", compact(totals.input_tokens)],
    ["Tokens out", compact(totals.output_tokens)],
    ["Median latency", duration(totals.duration_ns?.["p50"])],
    ["95th percentile", duration(totals.duration_ns?.["p95"])],
  ];
  return (
    <dl class="figures">
      {figures.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Charts({ answer, times, by }: { answer: Answer; times: number[]; by: string }) {
  const drawn = useMemo(() => {
    const places = new Map(times.map((at, index) => [at, index]));
    const lines = (key: string | null, measures: [string, (group: Measured) => number | null][], empty: number | null) =>
      measures.map(([name, measure]): Line => {
        const values = new Array<number | null>(times.length).fill(empty);
        for (const point of answer.series) {
          const place = places.get(Date.parse(point.at) / 1000);
          if (place !== undefined && (key === null || point.key === key)) values[place] = measure(point);
        }
        return { name, values };
      });
    const chart = (measures: [string, (group: Measured) => number | null][], empty: number | null) =>
      by
        ? answer.groups.slice(0, LINES).flatMap(({ key }) => lines(key, [[key ?? "none", measures[measures.length > 1 ? LEVELS.indexOf("p95") : 0]![1]]], empty))
        : lines(null, measures, empty);
    const tokens = (group: Measured) => (group.input_tokens ?? 0) + (group.output_tokens ?? 0);
    return {
      cost: chart([["Cost", (group) => Number(group.cost ?? 0)]], 0),
      tokens: by
        ? chart([["Tokens", tokens]], 0)
        : chart([["In", (group) => group.input_tokens ?? 0], ["Out", (group) => group.output_tokens ?? 0]], 0),
      calls: chart([["Calls", (group) => group.runs]], 0),
      errors: chart([["Failed", (group) => group.errors]], 0),
      latency: chart(
        LEVELS.map((level) => [level, (group) => group.duration_ns?.[level] ?? null]),
        null,
      ),
      ttft: chart(
        LEVELS.map((level) => [level, (group) => group.ttft_ns?.[level] ?? null]),
        null,
      ),
    };
  }, [answer, times, by]);
  const whole = (value: number) => (Number.isInteger(value) ? compact(value) : "");
  const of = by ? ", 95th percentile" : "";
  return (
    <div class="charts">
      <Chart title="Cost" times={times} lines={drawn.cost} format={money} amount />
      <Chart title="Tokens" times={times} lines={drawn.tokens} format={compact} amount />
      <Chart title="Calls" times={times} lines={drawn.calls} format={whole} amount />
      <Chart title="Failed calls" times={times} lines={drawn.errors} format={whole} amount />
      <Chart title={`Latency${of}`} times={times} lines={drawn.latency} format={duration} />
      <Chart title={`Time to first token${of}`} times={times} lines={drawn.ttft} format={duration} />
    </div>
  );
}

function Groups({ groups, by }: { groups: Measured[]; by: string }) {
  return (
    <div class="wide">
      <table class="plain">
        <caption class="unseen">Sums by {by}</caption>
        <thead>
          <tr>
            <th scope="col">{by.charAt(0).toUpperCase() + by.slice(1)}</th>
            <th scope="col" class="number">Calls</th>
            <th scope="col" class="number">Failed</th>
            <th scope="col" class="number">Tokens in</th>
            <th scope="col" class="number">Tokens out</th>
            <th scope="col" class="number">Median</th>
            <th scope="col" class="number">p95</th>
            <th scope="col" class="number">Cost</th>
          </tr>
        </thead>
        <tbody>
          {groups.map((group) => (
            <tr key={group.key}>
              <th scope="row">
                {group.key === null ? "none" : <a href={href(["runs"], { [by]: group.key })}>{group.key}</a>}
              </th>
              <td class="number">{count(group.runs)}</td>
              <td class={group.errors > 0 ? "number bad" : "number"}>{group.errors > 0 ? count(group.errors) : ""}</td>
              <td class="number">{compact(group.input_tokens)}</td>
              <td class="number">{compact(group.output_tokens)}</td>
              <td class="number">{duration(group.duration_ns?.["p50"])}</td>
              <td class="number">{duration(group.duration_ns?.["p95"])}</td>
              <td class="number">{moneyInColumn(group.cost)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
