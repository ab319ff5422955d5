// Notices in the reader's language. Mails say the same in more words.
import { i18n } from "@lingui/core";
import type { Documents } from "../api/client.ts";
import { toCents } from "./amounts.ts";
import { showTime } from "./Time.tsx";

type Notice = Documents["NoticeDocument"];

/** On one line. An unknown kind is shown by its subject. */
export function noticeTitle({ type, facts, subject }: Notice): string {
  const usd = (name: string) => toCents(text(facts[name]), "down");
  const amount = money(text(facts.amount));
  const percent = text(facts.percent);
  const model = text(facts.model);
  switch (type) {
    case "low_balance":
      return i18n._("Low balance: {amount} left", { amount: usd("left_usd") });
    case "daily_budget":
      return i18n._("Daily budget: {percent}% spent", { percent });
    case "monthly_budget":
      return i18n._("Monthly budget: {percent}% spent", { percent });
    case "key_quota":
      return i18n._("API key limit: {percent}% spent", { percent });
    case "credit_expiring":
      return i18n._("{amount} of credit expires on {day}", { amount: usd("left_usd"), day: showTime(text(facts.expires_at), "day") });
    case "top_up_received":
      return i18n._("Top-up received: {amount}", { amount: usd("credit_usd") });
    case "auto_top_up_made":
      return i18n._("Auto top-up: {amount} added", { amount: usd("credit_usd") });
    case "auto_top_up_stopped":
      return i18n._("Auto top-up stopped");
    case "refund_made":
      return i18n._("{amount} refunded", { amount });
    case "dispute_opened":
      return i18n._("A payment of {amount} is disputed", { amount });
    case "dispute_won":
      return i18n._("Dispute closed: credit restored");
    case "dispute_lost":
      return i18n._("Dispute closed: {amount} returned to the payer", { amount });
    case "withdrawal_asked":
      return i18n._("Withdrawal of {amount} requested", { amount });
    case "withdrawal_approved":
      return i18n._("Withdrawal of {amount} approved", { amount });
    case "withdrawal_done":
      return i18n._("{amount} paid out", { amount });
    case "withdrawal_failed":
      return i18n._("Withdrawal of {amount} failed", { amount });
    case "withdrawal_rejected":
      return i18n._("Withdrawal of {amount} rejected", { amount });
    case "price_change":
      return i18n._("Price change: {model}", { model });
    case "model_retirement":
      return i18n._("{model} will be retired", { model });
    case "test":
      return i18n._("Test alert");
    default:
      return subject;
  }
}

function text(fact: unknown): string {
  return typeof fact === "string" || typeof fact === "number" ? String(fact) : "";
}

/** "10.00 USD" as other amounts are shown; other currencies as they are. */
function money(amount: string): string {
  return amount.endsWith(" USD") ? toCents(amount.slice(0, -4)) : amount;
}
