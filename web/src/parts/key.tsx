// Asks for a private key where the API wants one.
import { useEffect, useRef, useState } from "preact/hooks";
import { takeKey } from "../api";

export function KeyDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [reason, setReason] = useState("");
  const [key, setKey] = useState("");
  useEffect(() => {
    const ask = (event: Event) => {
      setReason(String((event as CustomEvent).detail));
      if (!dialog.current?.open) dialog.current?.showModal();
    };
    addEventListener("keyneeded", ask);
    return () => removeEventListener("keyneeded", ask);
  }, []);
  const submit = (event: Event) => {
    event.preventDefault();
    if (!key.trim()) return;
    dialog.current?.close();
    takeKey(key.trim());
    setKey("");
  };
  return (
    <dialog ref={dialog} class="key" aria-labelledby="key-title">
      <form onSubmit={submit}>
        <h2 id="key-title">Private key</h2>
        <p>This ledger is read with the private key of a project. It stays in this tab.</p>
        <label>
          <span class="unseen">Private key</span>
          <input
            type="password"
            autocomplete="off"
            spellcheck={false}
            value={key}
            onInput={(event) => setKey(event.currentTarget.value)}
          />
        </label>
        {reason && <p class="muted">The API said: {reason}</p>}
        <button type="submit" class="primary">
          Read the ledger
        </button>
      </form>
    </dialog>
  );
}
