// Idempotency for requests that move money: a second click or a retry never buys or returns anything twice.
import { useRef } from "react";
import { newIdempotencyKey } from "./client.ts";

/** One idempotency key, until what is wanted changes. */
export function useIntent(wanted: string): () => string {
  const known = useRef({ wanted: "", key: "" });
  return () => {
    if (known.current.key === "" || known.current.wanted !== wanted) known.current = { wanted, key: newIdempotencyKey() };
    return known.current.key;
  };
}
