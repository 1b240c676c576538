// Numbers as people read them. Unknown is a dash, never zero.

export const UNKNOWN = "–";

const grouped = new Intl.NumberFormat("en-US");
const compactly = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });

/** `$12.34`, `$0.0123`, `$0.000105`: cents from a dollar on, three significant digits below. */
export function money(amount: string | number | null | undefined): string {
  if (amount === null || amount === undefined) return UNKNOWN;
  const value = Number(amount);
  if (!Number.isFinite(value)) return String(amount);
  if (value === 0) return "$0";
  const sign = value < 0 ? "-" : "";
  const size = Math.abs(value);
  if (size >= 1) return `${sign}$${size.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
  const digits = Math.min(20, 2 - Math.floor(Math.log10(size)));
  return `${sign}$${size.toFixed(digits).replace(/\.?0+$/, "")}`;
}

/** Money in a column: four decimals, so that the points stand below each other. */
export function moneyInColumn(amount: string | null | undefined): string {
  if (amount === null || amount === undefined) return "";
  const value = Number(amount);
  if (!Number.isFinite(value)) return String(amount);
  if (value > 0 && value < 0.00005) return "<$0.0001";
  return `$${value.toLocaleString("en-US", { minimumFractionDigits: 4, maximumFractionDigits: 4 })}`;
}

/** Amounts that stand below each other: all with as many decimals as the smallest needs for three digits. */
export function moneyColumn(amounts: (string | null | undefined)[]): string[] {
  const sizes = amounts.map(Number).filter((value) => Number.isFinite(value) && value !== 0);
  const least = Math.min(...sizes.map(Math.abs), 1);
  const digits = Math.min(10, Math.max(2, 2 - Math.floor(Math.log10(least))));
  return amounts.map((amount) => {
    if (amount === null || amount === undefined || !Number.isFinite(Number(amount))) return amount ?? UNKNOWN;
    return `$${Number(amount).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
  });
}

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? UNKNOWN : grouped.format(value);
}

/** `1.23M`. */
export function compact(value: number | null | undefined): string {
  return value === null || value === undefined ? UNKNOWN : compactly.format(value);
}

/** `350 ms`, `1.24 s`, `2 m 05 s`, `3 h 12 m`. */
export function duration(nanoseconds: number | null | undefined): string {
  if (nanoseconds === null || nanoseconds === undefined) return UNKNOWN;
  const ms = nanoseconds / 1e6;
  if (ms < 1) return `${Math.round(nanoseconds / 1e3)} µs`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  const seconds = ms / 1e3;
  if (seconds < 59.995) return `${seconds.toFixed(2)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${String(whole % 60).padStart(2, "0")} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} m`;
}

/** Milliseconds since the epoch. */
export function milliseconds(time: string): number {
  return Date.parse(time);
}

/** Nanoseconds since the epoch; dates know milliseconds only. */
export function nanoseconds(time: string): bigint {
  const seconds = BigInt(Date.parse(`${time.slice(0, 19)}Z`)) * 1_000_000n;
  const fraction = /\.(\d+)/.exec(time)?.[1] ?? "";
  return seconds + BigInt(fraction.slice(0, 9).padEnd(9, "0") || "0");
}

const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const dayWithYear = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const shortTime = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

/** `10:04:31` today, `3 Mar 10:04` this year, `3 Mar 2025` before. In the reader's time zone. */
export function clock(text: string | null | undefined, now: Date = new Date()): string {
  if (!text) return UNKNOWN;
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return text;
  if (at.toDateString() === now.toDateString()) return time.format(at);
  if (at.getFullYear() === now.getFullYear()) return `${day.format(at)} ${shortTime.format(at)}`;
  return dayWithYear.format(at);
}

/** `3 Mar 2026, 10:04:31.123`. */
export function moment(text: string | null | undefined): string {
  if (!text) return UNKNOWN;
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return text;
  return `${dayWithYear.format(at)}, ${time.format(at)}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

export function percent(part: number, whole: number): string {
  if (whole === 0) return UNKNOWN;
  const share = (part / whole) * 100;
  return `${share === 0 || share >= 10 ? share.toFixed(0) : share.toFixed(1)} %`;
}

/** `12.3` tokens a second. */
export function rate(value: number | null | undefined): string {
  if (value === null || value === undefined) return UNKNOWN;
  return value >= 100 ? grouped.format(Math.round(value)) : value.toFixed(1);
}
