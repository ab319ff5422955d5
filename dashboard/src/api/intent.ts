// What moves money is asked for by an intent: a second click, or a retry, buys or returns nothing twice.
import { useRef } from "react";
import { newIdempotencyKey } from "./client.ts";

/** One idempotency key for as long as the same thing is wanted. */
export function useIntent(wanted: string): () => string {
  const known = useRef({ wanted: "", key: "" });
  return () => {
    if (known.current.key === "" || known.current.wanted !== wanted) known.current = { wanted, key: newIdempotencyKey() };
    return known.current.key;
  };
}
