// Why credit cannot be withdrawn, and why auto top-up stopped: words for the API's codes.
import { i18n } from "@lingui/core";
import type { Documents } from "../../api/client.ts";

export function withheld(part: Documents["LotOutlookDocument"]): string {
  const reasons: Record<Documents["WithheldReason"], string> = {
    locked: i18n._("once its top-up is spent and it is unlocked"),
    given: i18n._("never: granted credit"),
    no_payment: i18n._("never: no payment on record"),
    no_processor: i18n._("its payment method is no longer offered"),
    currency: i18n._("never: paid in another currency, and that payment can no longer be refunded"),
    original_only: i18n._("top-ups can only go back to the original payment"),
    not_earned: i18n._("once you have paid a top-up; referrals, once the referred top-up is spent and can no longer be disputed"),
    not_matured: i18n._("once it has matured"),
    disputable: i18n._("once it can no longer be disputed"),
    top_ups_open: i18n._("once no top-up can be refunded or disputed"),
  };
  return part.why_code === null ? (part.why ?? "") : (reasons[part.why_code] ?? part.why ?? "");
}

export function stopReason({ stop_code: code, stop_reason: said }: Documents["AutoTopUpDocument"]): string {
  const reasons: Record<Documents["AutoTopUpStop"], string> = {
    payment_failed: i18n._("A payment failed."),
    payer_needed: i18n._("Your bank wants you to confirm a payment."),
    payment_review: i18n._("A payment is in review: the amount charged is in doubt."),
    refund: i18n._("A top-up was refunded."),
    withdrawal: i18n._("Credit was withdrawn."),
    dispute: i18n._("A payment is disputed."),
    spending: i18n._("One day's spending was many times your usual amount: a key may be stolen."),
    not_sold: i18n._("Top-ups of this amount are no longer offered."),
  };
  return (code && reasons[code]) || (said ?? "");
}
