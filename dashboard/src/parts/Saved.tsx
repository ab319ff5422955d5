// What caches saved, in one line: the sum, then each layer that saved something. The sums are the API's.
import { i18n } from "@lingui/core";
import type { Documents } from "../api/client.ts";
import { isZero, toCents } from "./amounts.ts";

type Amounts = Documents["SavedDocument"];

/** Whether there is anything to show: a cache that was written and not read yet has cost more than it saved. */
export function hasSaved({ total_usd: total }: Amounts): boolean {
  return !isZero(total) && !total.startsWith("-");
}

/** "repeats $3.10 · similar $0.20 · vendor cache $0.82" */
export function savedLayers({ exact_usd: exact, semantic_usd: similar, vendor_usd: vendor }: Amounts): string {
  const layers: [string, string][] = [
    [exact, i18n._("repeats {amount}", { amount: toCents(exact) })],
    [similar, i18n._("similar {amount}", { amount: toCents(similar) })],
    [vendor, i18n._("vendor cache {amount}", { amount: toCents(vendor) })],
  ];
  return layers
    .filter(([usd]) => !isZero(usd))
    .map(([, words]) => words)
    .join(" · ");
}
