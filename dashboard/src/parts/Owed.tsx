// A warning about debt: until it is paid, nothing can be spent.
import { i18n } from "@lingui/core";
import type { Documents } from "../api/client.ts";
import { isZero, toCents } from "./amounts.ts";

export function Owed({ balance }: { balance: Documents["BalanceDocument"] }) {
  if (!owes(balance)) return null;
  return (
    <p role="status" className="bad strong">
      {i18n._("Requests are paused: you owe {amount}. The next top-up pays it first.", { amount: toCents(balance.debt_usd) })}
    </p>
  );
}

/** Debt stops requests, whatever credit there is. */
export function owes(balance: Documents["BalanceDocument"]): boolean {
  return !isZero(balance.debt_usd);
}
