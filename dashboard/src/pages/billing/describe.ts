// Payments and entries in words.
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

/** What people call a way to pay, or who takes the payment. */
export function methodName(method: string): string {
  const names: Record<string, string> = {
    card: i18n._("Card"),
    paypal: "PayPal",
    alipay: i18n._("Alipay"),
    wechat_pay: i18n._("WeChat Pay"),
    stripe: "Stripe",
    pretended: i18n._("a pretended payment"),
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
      return { status: "waiting", label: i18n._("on its way") };
    case "review":
      return { status: "waiting", label: i18n._("being looked at") };
    case "failed":
      return { status: "bad", label: i18n._("failed") };
    default:
      return { status: "off", label: i18n._("expired") };
  }
}

export function refundState(refund: Refund): { status: Status; label: string } {
  switch (refund.state) {
    case "done":
      return { status: "good", label: i18n._("paid back") };
    case "failed":
      return { status: "bad", label: i18n._("failed; the credit is back") };
    case "rejected":
      return { status: "off", label: i18n._("not accepted; the credit is back") };
    case "review":
      return { status: "waiting", label: i18n._("being looked at") };
    default:
      return { status: "waiting", label: i18n._("on its way") };
  }
}

export function withdrawalState(withdrawal: Documents["WithdrawalDocument"]): { status: Status; label: string } {
  switch (withdrawal.state) {
    case "asked":
      return { status: "waiting", label: i18n._("waits for approval") };
    case "done":
      return { status: "good", label: i18n._("paid out") };
    case "failed":
      return { status: "bad", label: i18n._("failed; the credit is back") };
    case "rejected":
      return { status: "off", label: i18n._("not accepted; the credit is back") };
    case "cancelled":
      return { status: "off", label: i18n._("cancelled; the credit is back") };
    default:
      return { status: "waiting", label: i18n._("on its way") };
  }
}

/** What an address of a payee is; a kind that is not known here is shown by its own word. */
export function payeeKind(kind: string): string {
  const names: Record<string, string> = {
    paypal_email: i18n._("e-mail of a PayPal account"),
    paypal_id: i18n._("id of a PayPal account"),
    bank_account: i18n._("bank account"),
    pretended: i18n._("pretended"),
  };
  return names[kind] ?? kind;
}

/** Of which kind an entry is; a kind that is not known here is shown by its own word. */
export function entryType(type: string): string {
  const names: Record<string, string> = {
    recharge: i18n._("Top-up"),
    "top-up": i18n._("Top-up"),
    payout: i18n._("Paid back"),
    returned: i18n._("Returned"),
    restore: i18n._("Restored"),
    usage: i18n._("Call"),
    cashback: i18n._("Cashback"),
    referral: i18n._("Referral"),
    welcome: i18n._("Welcome grant"),
    streak: i18n._("Streak"),
    code: i18n._("Code"),
    operator: i18n._("From the operator"),
    match: i18n._("Match"),
    unlock: i18n._("Match unlocked"),
    expiry: i18n._("Expired"),
    claw: i18n._("Taken back"),
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
