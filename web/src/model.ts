// What the API answers, as docs/run-model.md tells. What comes from senders is `unknown` until it has been looked at.

export type Fields = Record<string, unknown>;

export interface Usage {
  input_tokens?: number | null;
  output_tokens?: number | null;
  cache_read_tokens?: number | null;
  cache_write_tokens?: number | null;
  reasoning_tokens?: number | null;
  input_audio_tokens?: number | null;
  output_audio_tokens?: number | null;
  input_image_tokens?: number | null;
  extra?: Record<string, unknown>;
  convention?: string;
  source?: string;
}

export interface Cost {
  total: string | null;
  parts?: Record<string, string>;
  source?: string;
  reported?: string | null;
  computed?: string | null;
  price_ref?: string | null;
  service_tier?: string | null;
}

/** A run without its contents. */
export interface Summary {
  run_id: string;
  parent_run_id: string | null;
  trace_id: string | null;
  type: string;
  operation: string | null;
  name: string;
  span_name: string | null;
  status: string;
  error: { type?: string | null; message?: string | null; code?: string | number | null; stack?: string | null } | null;
  started_at: string;
  ended_at: string | null;
  duration_ns: number | null;
  ttft_ns: number | null;
  provider: string | null;
  request_model: string | null;
  model: string | null;
  finish_reasons: string[];
  streaming: boolean | null;
  usage: Usage | null;
  billable: boolean;
  cost: Cost | null;
  tokens_per_second: number | null;
  user_id: string | null;
  session_id: string | null;
  tags: string[];
  metadata: Fields;
  input_preview?: string | null;
  output_preview?: string | null;
}

/** A run with everything. */
export interface Run extends Summary {
  span_id: string | null;
  parent_span_id: string | null;
  external_id: string | null;
  response_id: string | null;
  span_kind: string | null;
  dialects: string[];
  params: Fields;
  tools: unknown;
  input: unknown;
  output: unknown;
  agent: Fields | null;
  tool: Fields | null;
  prompt: Fields | null;
  user_props: Fields | null;
  environment: string | null;
  release: string | null;
  service_name: string | null;
  service_version: string | null;
  scope_name: string | null;
  scope_version: string | null;
  attributes: Fields;
  warnings: string[];
  source: string;
  payload_expired?: boolean;
}

export interface Score {
  name: string;
  value: unknown;
  label: string | null;
  comment: string | null;
  source: string | null;
  at: string | null;
}

export interface Totals {
  runs: number;
  errors: number;
  billable_runs: number;
  unpriced_runs: number;
  input_tokens: number | null;
  output_tokens: number | null;
  cache_read_tokens: number | null;
  cache_write_tokens: number | null;
  reasoning_tokens: number | null;
  cost: string | null;
}

/** Runs of one user, thread or other fact, summed. */
export interface Group extends Totals {
  first_at: string;
  last_at: string;
  users: number;
  sessions: number;
}

export interface Message {
  role: string;
  parts: Fields[];
  name?: string;
  finish_reason?: string;
}

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The messages of an input or output, or null when it is something else. */
export function messagesOf(value: unknown): Message[] | null {
  if (!Array.isArray(value) || value.length === 0) return null;
  if (!value.every((item) => isFields(item) && typeof item["role"] === "string")) return null;
  return (value as Fields[]).map((item) => ({
    ...(typeof item["name"] === "string" && { name: item["name"] }),
    ...(typeof item["finish_reason"] === "string" && { finish_reason: item["finish_reason"] }),
    role: item["role"] as string,
    parts: Array.isArray(item["parts"])
      ? item["parts"].map((part: unknown) => (isFields(part) ? part : { type: "generic", value: part }))
      : [],
  }));
}
