// The form of the account's own daily and monthly budgets. An empty field means no budget.
import { i18n } from "@lingui/core";
import { Button, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Documents } from "../../api/client.ts";
import { toDigits } from "../../parts/amounts.ts";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { useScope } from "../../shell/account.tsx";
import style from "./Billing.module.css";
import { budgetsQuery, changeBudgets } from "./queries.ts";

type Budget = Documents["BudgetDocument"];

export function BudgetsForm({ day, month }: { day: Budget; month: Budget }) {
  const { account } = useScope();
  const client = useQueryClient();
  const [saved, setSaved] = useState(false);
  const form = useForm({
    initialValues: { daily_usd: plain(day.own_usd), monthly_usd: plain(month.own_usd) },
    onValuesChange: () => setSaved(false),
  });
  const { busy, problem, submit } = useSubmit(form, async ({ daily_usd, monthly_usd }) => {
    const shown = await changeBudgets(account.id, { daily_usd: typed(daily_usd), monthly_usd: typed(monthly_usd) });
    client.setQueryData(budgetsQuery(account.id).queryKey, shown);
    await client.invalidateQueries({ queryKey: ["account", account.id, "home"] });
    setSaved(true);
  });
  const money = { leftSection: "$", inputMode: "decimal", autoComplete: "off", placeholder: i18n._("none") } as const;
  return (
    <form className={`stack ${style.form}`} onSubmit={submit} noValidate>
      <div className={style.two}>
        <TextInput label={i18n._("Daily budget")} {...money} {...form.getInputProps("daily_usd")} />
        <TextInput label={i18n._("Monthly budget")} {...money} {...form.getInputProps("monthly_usd")} />
      </div>
      <FormProblem problem={problem} />
      <div className={style.saving}>
        <Button type="submit" loading={busy}>
          {i18n._("Save")}
        </Button>
        <span role="status" className="good">
          {saved && i18n._("Saved")}
        </span>
      </div>
    </form>
  );
}

/** As a user would type it: "20", "7.5". */
function plain(amount: string | null): string {
  return amount === null ? "" : toDigits(amount).replace(/[$,]/g, "");
}

function typed(text: string): string | null {
  return text.trim().replace(/^\$/, "") || null;
}
