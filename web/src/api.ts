// Reads the API that serves this page.
import { useEffect, useState } from "preact/hooks";

const KEY = "spanledger.key";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export type Parameters = URLSearchParams | Record<string, string> | string;

/** The private key of this tab; it goes nowhere but to the API, and ends with the tab. */
export function storedKey(): string | null {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

/** Takes a key, or forgets it, and has everything read anew. */
export function takeKey(key: string | null): void {
  try {
    if (key === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, key);
  } catch {
    // Without storage the API keeps asking.
  }
  dispatchEvent(new Event("keychange"));
}

/** JSON of `v1/…`. Throws `ApiError`; where a key is missing the page is told to ask for it. */
export async function get<T>(path: string, parameters?: Parameters, signal?: AbortSignal): Promise<T> {
  const query = new URLSearchParams(parameters).toString();
  const key = storedKey();
  const url = new URL(`v1/${path}${query ? `?${query}` : ""}`, document.baseURI);
  let response: Response;
  try {
    response = await fetch(url, { headers: key ? { Authorization: `Bearer ${key}` } : {}, signal: signal ?? null });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "spanledger does not answer. Is it still running?");
  }
  if (response.ok) return (await response.json()) as T;
  const said = await response.json().catch(() => null);
  const message = typeof said?.message === "string" ? said.message : `The API answered ${response.status}.`;
  if (response.status === 401 || response.status === 403) dispatchEvent(new CustomEvent("keyneeded", { detail: message }));
  throw new ApiError(response.status, message);
}

export interface Loaded<T> {
  data: T | null;
  error: string | null;
  loading: boolean;
}

/**
 * What is at a path, read again when path or parameters change and every `every` milliseconds while the page is
 * looked at. While it is read, what was there before stays.
 */
export function useLoaded<T>(path: string | null, parameters?: Parameters, every?: number): Loaded<T> {
  const query = new URLSearchParams(parameters).toString();
  const address = path === null ? null : `${path}?${query}`;
  const [state, setState] = useState<Loaded<T> & { address: string | null }>({
    address: null,
    data: null,
    error: null,
    loading: true,
  });
  useEffect(() => {
    if (address === null || path === null) return;
    const abort = new AbortController();
    const load = async () => {
      try {
        const data = await get<T>(path, query ? new URLSearchParams(query) : undefined, abort.signal);
        if (!abort.signal.aborted) setState({ address, data, error: null, loading: false });
      } catch (error) {
        if (abort.signal.aborted) return;
        setState((old) => ({
          address,
          data: old.address === address ? old.data : null,
          error: error instanceof Error ? error.message : String(error),
          loading: false,
        }));
      }
    };
    void load();
    const timer = every === undefined ? 0 : setInterval(() => document.hidden || void load(), every);
    return () => {
      abort.abort();
      clearInterval(timer);
    };
  }, [address, every]);
  return { ...state, loading: state.loading || state.address !== address };
}
