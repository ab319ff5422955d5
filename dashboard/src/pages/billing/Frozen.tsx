// Why nothing can leave now: a debt, a dispute, or what the API says.
import { i18n } from "@lingui/core";
import { useQuery } from "@tanstack/react-query";
import type { Documents } from "../../api/client.ts";
import { balanceQuery } from "../../api/queries.ts";
import { toCents } from "../../parts/amounts.ts";
import { useScope } from "../../shell/account.tsx";

export function Frozen({ outlook }: { outlook: Documents["AccountOutlookDocument"] }) {
  const { account } = useScope();
  const { data: balance } = useQuery(balanceQuery(account.id));
  if (outlook.frozen_code === "withdrawal_debt" && balance)
    return i18n._("Nothing can leave while {amount} is owed. The next top-up pays it first.", { amount: toCents(balance.debt_usd) });
  if (outlook.frozen_code === "withdrawal_dispute") return i18n._("Nothing can leave while a payment is disputed.");
  if (outlook.frozen_code === "withdrawals_not_offered") return i18n._("Credit is not paid out here.");
  return outlook.frozen;
}
