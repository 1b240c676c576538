// A list in pages, of which the next is read at its end.
import { useEffect, useRef, useState } from "preact/hooks";
import { get } from "../api";

interface Page<T> {
  data: T[];
  next_cursor: string | null;
}

export interface MoreRows<T> {
  rows: T[];
  loading: boolean;
  error: string | null;
  /** Reads the next page; null when there is none. */
  more: (() => void) | null;
}

export function useMoreRows<T>(path: string, parameters: Record<string, string>): MoreRows<T> {
  const address = `${path}?${new URLSearchParams(parameters)}`;
  const [rows, setRows] = useState<T[]>([]);
  const [next, setNext] = useState<string | null>(null);
  const [loading, setLoading] = useState(true);
  const [error, setError] = useState<string | null>(null);
  const abort = useRef(new AbortController());

  const read = async (cursor: string | null, { signal }: AbortController) => {
    setLoading(true);
    try {
      const asked = cursor === null ? parameters : { ...parameters, cursor };
      const page = await get<Page<T>>(path, asked, signal);
      setRows((known) => (cursor === null ? page.data : [...known, ...page.data]));
      setNext(page.next_cursor);
      setError(null);
    } catch (problem) {
      if (!signal.aborted) setError(problem instanceof Error ? problem.message : String(problem));
    } finally {
      if (!signal.aborted) setLoading(false);
    }
  };
  useEffect(() => {
    const current = new AbortController();
    abort.current = current;
    setRows([]);
    setNext(null);
    void read(null, current);
    return () => current.abort();
  }, [address]);
  return { rows, loading, error, more: next === null || loading ? null : () => void read(next, abort.current) };
}
