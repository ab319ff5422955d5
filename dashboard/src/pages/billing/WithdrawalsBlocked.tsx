// Why nothing can be withdrawn now: a debt, a dispute, or the API's message.
import { i18n } from "@lingui/core";
import { useQuery } from "@tanstack/react-query";
import type { Documents } from "../../api/client.ts";
import { balanceQuery } from "../../api/queries.ts";
import { toCents } from "../../parts/amounts.ts";
import { useScope } from "../../shell/account.tsx";

export function WithdrawalsBlocked({ outlook }: { outlook: Documents["AccountOutlookDocument"] }) {
  const { account } = useScope();
  const { data: balance } = useQuery(balanceQuery(account.id));
  if (outlook.frozen_code === "withdrawal_debt" && balance)
    return i18n._("You owe {amount}: withdrawals are blocked. The next top-up pays it first.", { amount: toCents(balance.debt_usd) });
  if (outlook.frozen_code === "withdrawal_dispute") return i18n._("Withdrawals are blocked while a payment is disputed.");
  if (outlook.frozen_code === "withdrawals_not_offered") return i18n._("Withdrawals are not offered here.");
  return outlook.frozen;
}
