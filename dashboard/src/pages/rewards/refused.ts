// Why a reward was not granted: words for the API's codes; an operator's own words as they are.
import { i18n } from "@lingui/core";
import type { Documents } from "../../api/client.ts";

export function whyRefused({ reason, reason_code: code }: { reason: string | null; reason_code: Documents["RewardReason"] | null }): string {
  const reasons: Record<Documents["RewardReason"], string> = {
    cap: i18n._("lifetime cap reached"),
    debt: i18n._("the account has debt"),
    same_mailbox: i18n._("already granted to another account with the same mailbox"),
    not_first: i18n._("not the account's first top-up"),
    automatic: i18n._("auto top-ups are not matched"),
    too_late: i18n._("topped up too long after sign-up"),
    payer_unknown: i18n._("the payment method cannot be identified"),
    payer_known: i18n._("the payment method has paid for a top-up before"),
    payer_matched: i18n._("the payment method was matched before"),
    paid_debt: i18n._("the top-up paid off debt"),
  };
  return (code && reasons[code]) || (reason ?? "");
}
