// What exactly comes back and what leaves with it, in sentences: of a refund and of a withdrawal.
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

/** `to`: who pays it, or is paid. `then`: what happens next, if it does not happen at once. */
export function ReturnPreview({ of: returned, to, then }: { of: Returned; to: string; then?: string | false }) {
  const sentences = [
    i18n._("{amount} of credit leaves your balance.", { amount: toCents(returned.credit_usd) }),
    !isZero(returned.locked_usd) && i18n._("{amount} locked match is cancelled.", { amount: toCents(returned.locked_usd) }),
    !isZero(returned.cashback_usd) && i18n._("{amount} cashback is taken back.", { amount: toCents(returned.cashback_usd) }),
    !isZero(returned.reduced_usd) &&
      i18n._("{amount} less than the credit: cashback of it that you have spent.", { amount: toCents(returned.reduced_usd) }),
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

/** What a typed amount is for the API: null is all that there is. */
export function typedAmount(text: string): string | null {
  const amount = text.trim().replace(/^\$/, "");
  return amount === "" ? null : amount;
}
