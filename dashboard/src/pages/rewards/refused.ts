// Why a reward was not given: words for the codes of the API; what an operator wrote, as it is.
import { i18n } from "@lingui/core";
import type { Documents } from "../../api/client.ts";

export function whyRefused({ reason, reason_code: code }: { reason: string | null; reason_code: Documents["RewardReason"] | null }): string {
  const reasons: Record<Documents["RewardReason"], string> = {
    cap: i18n._("the most that an account is given is reached"),
    debt: i18n._("the account owes something"),
    same_mailbox: i18n._("another account of the same mailbox has had one"),
    not_first: i18n._("it is not the account's first top-up"),
    automatic: i18n._("an automatic top-up is not matched"),
    too_late: i18n._("the top-up came too long after sign-up"),
    payer_unknown: i18n._("what paid cannot be recognised again"),
    payer_known: i18n._("what paid has paid a top-up before"),
    payer_matched: i18n._("what paid has been matched before"),
    paid_debt: i18n._("the top-up has paid debt"),
  };
  return (code && reasons[code]) || (reason ?? "");
}
