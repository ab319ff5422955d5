// Names of payment methods, states and ledger entries.
import { i18n } from "@lingui/core";
import type { Documents } from "../../api/client.ts";
import { toCents } from "../../parts/amounts.ts";
import type { Status } from "../../parts/StatusDot.tsx";
import type { Refund, TopUp } from "./queries.ts";

const SIGNS: Record<string, string> = { CNY: "¥" };

/** An amount of money as its processor has it: "$20.00", "¥143.20", "EUR 20.00". */
export function inCurrency(amount: string, currency: string): string {
  if (currency === "USD") return toCents(amount);
  const sign = SIGNS[currency];
  return sign === undefined ? `${currency} ${amount}` : `${sign}${amount}`;
}

/** The display name of a payment method or processor. */
export function methodName(method: string): string {
  const names: Record<string, string> = {
    card: i18n._("Card"),
    paypal: "PayPal",
    alipay: i18n._("Alipay"),
    wechat_pay: i18n._("WeChat Pay"),
    stripe: "Stripe",
    pretended: i18n._("pretended payment"),
  };
  return names[method] ?? method;
}

export function topUpState(topUp: TopUp): { status: Status; label: string } {
  switch (topUp.state) {
    case "paid":
      return { status: "good", label: i18n._("received") };
    case "open":
      return { status: "waiting", label: i18n._("not paid yet") };
    case "pending":
      return { status: "waiting", label: i18n._("processing") };
    case "review":
      return { status: "waiting", label: i18n._("in review") };
    case "failed":
      return { status: "bad", label: i18n._("failed") };
    default:
      return { status: "off", label: i18n._("expired") };
  }
}

export function refundState(refund: Refund): { status: Status; label: string } {
  switch (refund.state) {
    case "done":
      return { status: "good", label: i18n._("refunded") };
    case "failed":
      return { status: "bad", label: i18n._("failed; credit restored") };
    case "rejected":
      return { status: "off", label: i18n._("rejected; credit restored") };
    case "review":
      return { status: "waiting", label: i18n._("in review") };
    default:
      return { status: "waiting", label: i18n._("processing") };
  }
}

export function withdrawalState(withdrawal: Documents["WithdrawalDocument"]): { status: Status; label: string } {
  switch (withdrawal.state) {
    case "asked":
      return { status: "waiting", label: i18n._("awaiting approval") };
    case "done":
      return { status: "good", label: i18n._("paid out") };
    case "failed":
      return { status: "bad", label: i18n._("failed; credit restored") };
    case "rejected":
      return { status: "off", label: i18n._("rejected; credit restored") };
    case "cancelled":
      return { status: "off", label: i18n._("cancelled; credit restored") };
    default:
      return { status: "waiting", label: i18n._("processing") };
  }
}

/** The kind of a payee's address; an unknown kind is shown as it is. */
export function payeeKind(kind: string): string {
  const names: Record<string, string> = {
    paypal_email: i18n._("PayPal e-mail"),
    paypal_id: i18n._("PayPal ID"),
    bank_account: i18n._("bank account"),
    pretended: i18n._("pretended"),
  };
  return names[kind] ?? kind;
}

/** The type of an entry; an unknown type is shown as it is. */
export function entryType(type: string): string {
  const names: Record<string, string> = {
    recharge: i18n._("Top-up"),
    "top-up": i18n._("Top-up"),
    payout: i18n._("Paid out"),
    returned: i18n._("Returned"),
    restore: i18n._("Restored"),
    usage: i18n._("Request"),
    cashback: i18n._("Cashback"),
    referral: i18n._("Referral"),
    welcome: i18n._("Welcome grant"),
    streak: i18n._("Streak"),
    code: i18n._("Code"),
    operator: i18n._("From the operator"),
    match: i18n._("Match"),
    unlock: i18n._("Match unlocked"),
    expiry: i18n._("Expired"),
    claw: i18n._("Reversed"),
    match_cancelled: i18n._("Match cancelled"),
    match_ended: i18n._("Match ended"),
    match_restored: i18n._("Match restored"),
  };
  return names[type] ?? type;
}

/** Where a lot came from. */
export function lotOrigin(lot: Documents["LotDocument"]): string {
  return entryType(lot.origin === "top-up" ? "recharge" : lot.origin);
}
