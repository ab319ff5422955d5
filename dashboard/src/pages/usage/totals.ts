// Counts of a usage total: tokens and requests. Amounts are never added up here.
import type { Total } from "./queries.ts";

/** All input tokens, cached ones included. */
export function inputTokens(total: Total): number {
  return total.input + total.cache_read + total.cache_write;
}
