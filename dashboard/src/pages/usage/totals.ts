// Counts of a total of usage. Tokens and calls are counts; amounts are never added up here.
import type { Total } from "./queries.ts";

/** All tokens of the input, those of caches included. */
export function inputTokens(total: Total): number {
  return total.input + total.cache_read + total.cache_write;
}
