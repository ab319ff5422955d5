// Amounts on the page: balances and totals to the cent, a request's cost in full.
import { i18n } from "@lingui/core";
import { isZero, toCents, toDigits } from "./amounts.ts";
import { Digits } from "./Digits.tsx";

/** A total, to the cent. */
export function Money({ usd }: { usd: string }) {
  return <span className="num">{toCents(usd)}</span>;
}

/** A balance: rounded down to the cent; when it changes, only the digits that differ move. */
export function Balance({ usd }: { usd: string }) {
  return <Digits text={toCents(usd, "down")} />;
}

/** What a request cost. `cache` says why it was free: "$0 · exact cache". */
export function Cost({ usd, cache }: { usd: string; cache?: string | null }) {
  const free = isZero(usd) && cache ? i18n._(CACHES[cache] ?? "cache") : null;
  return (
    <span className="num">
      <span className="strong">{toDigits(usd)}</span>
      {free && <span className="soft"> · {free}</span>}
    </span>
  );
}

const CACHES: Record<string, string> = {
  exact: /*i18n*/ "exact cache",
  semantic: /*i18n*/ "similar request, cached",
};
