// Redeems a code for credit.
import { i18n } from "@lingui/core";
import { Button, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { toCents } from "../../parts/amounts.ts";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { Topic } from "../../parts/Topic.tsx";
import { useScope } from "../../shell/account.tsx";
import { redeemCode } from "./queries.ts";
import style from "./Rewards.module.css";

export function RedeemCode() {
  const { account } = useScope();
  const client = useQueryClient();
  const [said, setSaid] = useState("");
  const form = useForm({ initialValues: { code: "" }, onValuesChange: () => setSaid("") });
  const { busy, problem, submit } = useSubmit(form, async ({ code }) => {
    const reward = await redeemCode(account.id, code.trim());
    await client.invalidateQueries({ queryKey: ["account", account.id] });
    form.reset();
    setSaid(i18n._("{amount} is in your balance.", { amount: toCents(reward.usd) }));
  });
  return (
    <Topic title={i18n._("Code")} lead={i18n._("Each code works once per account. Spaces, hyphens and case do not matter.")}>
      <form onSubmit={submit} noValidate className={style.code}>
        <TextInput
          aria-label={i18n._("Code")}
          placeholder="A1B2C-D3E4F-G5H6J-K7M8N"
          autoComplete="off"
          autoCapitalize="characters"
          spellCheck={false}
          maxLength={100}
          {...form.getInputProps("code")}
        />
        <Button type="submit" variant="default" h={36} loading={busy} disabled={form.values.code.trim() === ""}>
          {i18n._("Redeem")}
        </Button>
      </form>
      <FormProblem problem={problem} />
      <p role="status" className="good">
        {said}
      </p>
    </Topic>
  );
}
