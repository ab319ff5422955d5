// Why credit does not leave, and why auto top-up was stopped: words for the codes of the API.
import { i18n } from "@lingui/core";
import type { Documents } from "../../api/client.ts";

export function withheld(part: Documents["LotOutlookDocument"]): string {
  const reasons: Record<Documents["WithheldReason"], string> = {
    locked: i18n._("once its top-up is spent and it is unlocked"),
    given: i18n._("never: it was given"),
    no_payment: i18n._("never: no payment is known for it"),
    no_processor: i18n._("what paid for it is not offered here any more"),
    currency: i18n._("never: it was paid in another currency, and that payment takes nothing back any more"),
    original_only: i18n._("a top-up can go back only to what paid for it"),
    not_earned: i18n._("once a top-up was paid; a referral, once its top-up is spent and past its last dispute"),
    not_matured: i18n._("once it has matured"),
    disputable: i18n._("once it can be disputed no more"),
    top_ups_open: i18n._("once no top-up can be refunded or disputed any more"),
  };
  return part.why_code === null ? (part.why ?? "") : (reasons[part.why_code] ?? part.why ?? "");
}

export function stopReason({ stop_code: code, stop_reason: said }: Documents["AutoTopUpDocument"]): string {
  const reasons: Record<Documents["AutoTopUpStop"], string> = {
    payment_failed: i18n._("A payment failed."),
    payer_needed: i18n._("Your bank wants you to confirm a payment."),
    payment_review: i18n._("We look at a payment: what was charged is in doubt."),
    refund: i18n._("A top-up was refunded."),
    withdrawal: i18n._("Credit was withdrawn."),
    dispute: i18n._("A payment is disputed."),
    spending: i18n._("Many times the usual was spent in a day: a key may be stolen."),
    not_sold: i18n._("Top-ups of this amount are not offered any more."),
  };
  return (code && reasons[code]) || (said ?? "");
}
