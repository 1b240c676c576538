const MEANINGS: Record<string, string> = { error: "failed", cancelled: "cancelled", started: "running" };

/** A mark where something is not as usual; what succeeded needs none. */
export function Status({ status }: { status: string }) {
  const meaning = MEANINGS[status];
  if (meaning === undefined) return null;
  return (
    <span class={`status ${status}`} title={meaning}>
      <span class="unseen">{meaning}: </span>
    </span>
  );
}
