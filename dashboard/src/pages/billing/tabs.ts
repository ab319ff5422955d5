// The tabs of Billing.
import { i18n } from "@lingui/core";

export function billingTabs() {
  return [
    { to: "/billing", label: i18n._("Overview") },
    { to: "/billing/ledger", label: i18n._("Ledger") },
    { to: "/billing/top-ups", label: i18n._("Top-ups") },
  ];
}
