// The tabs of Billing that the edition offers.
import { i18n } from "@lingui/core";
import { useQuery } from "@tanstack/react-query";
import { editionQuery } from "../../api/queries.ts";

export function useBillingTabs() {
  const { data: edition } = useQuery(editionQuery);
  return [
    { to: "/billing", label: i18n._("Overview") },
    { to: "/billing/ledger", label: i18n._("Ledger") },
    { to: "/billing/top-ups", label: i18n._("Top-ups") },
    ...(edition?.auto_topup ? [{ to: "/billing/auto-top-up", label: i18n._("Auto top-up") }] : []),
    { to: "/billing/budgets", label: i18n._("Budgets") },
    ...(edition?.withdrawals ? [{ to: "/billing/withdrawals", label: i18n._("Withdrawals") }] : []),
    { to: "/billing/statements", label: i18n._("Statements") },
  ];
}
