// The exact effect of a refund or withdrawal in sentences: what comes back and which credit is removed.
import { i18n } from "@lingui/core";
import { isZero, toCents } from "../../parts/amounts.ts";
import style from "./Billing.module.css";
import { inCurrency } from "./describe.ts";

interface Returned {
  amount: string;
  currency: string;
  credit_usd: string;
  locked_usd: string;
  cashback_usd: string;
  reduced_usd: string;
}

/** `to`: the processor or payee. `then`: what happens next, if it is not immediate. */
export function ReturnPreview({ of: returned, to, then }: { of: Returned; to: string; then?: string | false }) {
  const sentences = [
    i18n._("{amount} of credit is removed from your balance.", { amount: toCents(returned.credit_usd) }),
    !isZero(returned.locked_usd) && i18n._("{amount} locked match is cancelled.", { amount: toCents(returned.locked_usd) }),
    !isZero(returned.cashback_usd) && i18n._("{amount} cashback is reversed.", { amount: toCents(returned.cashback_usd) }),
    !isZero(returned.reduced_usd) &&
      i18n._("{amount} less than the credit: cashback you have already spent.", { amount: toCents(returned.reduced_usd) }),
    then,
  ].filter((sentence) => typeof sentence === "string");
  return (
    <>
      <p className="soft">{i18n._("You get back")}</p>
      <p className={`figure ${style.balance}`}>{inCurrency(returned.amount, returned.currency)}</p>
      <p className="strong">{i18n._("to {processor}", { processor: to })}</p>
      <ul className={style.sentences}>
        {sentences.map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
    </>
  );
}

/** A typed amount for the API; null means everything available. */
export function typedAmount(text: string): string | null {
  const amount = text.trim().replace(/^\$/, "");
  return amount === "" ? null : amount;
}
