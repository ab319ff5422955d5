// The form of auto top-up: threshold, amount, monthly limit and saved payment method.
import { i18n } from "@lingui/core";
import { Button, Select, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQueryClient } from "@tanstack/react-query";
import type { Documents } from "../../api/client.ts";
import { toDigits } from "../../parts/amounts.ts";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { showTime } from "../../parts/Time.tsx";
import { useScope } from "../../shell/account.tsx";
import style from "./Billing.module.css";
import { methodName } from "./describe.ts";
import { autoTopUpQuery, setAutoTopUp } from "./queries.ts";

type AutoTopUp = Documents["AutoTopUpDocument"];
type Saved = Documents["ChargeableMethodDocument"];

interface Props {
  of: AutoTopUp;
  offer: Documents["TopUpOfferDocument"];
}

export function AutoTopUpForm({ of: auto, offer }: Props) {
  const { account } = useScope();
  const client = useQueryClient();
  const { bounds, saved_methods } = auto;
  const form = useForm({
    mode: "uncontrolled",
    initialValues: {
      threshold_usd: plain(auto.threshold_usd ?? (offer.custom ? "5" : bounds.min_threshold_usd)),
      amount_usd: plain(auto.amount_usd ?? offer.packs_usd[0] ?? offer.min_usd),
      month_usd: plain(auto.month_usd ?? ""),
      processor: saved_methods.find((each) => each.processor === auto.processor)?.processor ?? saved_methods[0]?.processor ?? "",
    },
    validate: { month_usd: (text) => (typed(text) === "" ? i18n._("Enter a monthly limit.") : null) },
  });
  const { busy, problem, submit } = useSubmit(form, async ({ threshold_usd, amount_usd, month_usd, processor }) => {
    const shown = await setAutoTopUp(account.id, {
      threshold_usd: typed(threshold_usd),
      amount_usd: typed(amount_usd),
      month_usd: typed(month_usd),
      processor,
    });
    client.setQueryData(autoTopUpQuery(account.id).queryKey, shown);
  });
  const amount = { label: i18n._("Charge"), key: form.key("amount_usd"), ...form.getInputProps("amount_usd") };
  const money = { leftSection: "$", inputMode: "decimal", autoComplete: "off" } as const;
  return (
    <form className={`stack ${style.form}`} onSubmit={submit} noValidate>
      <div className={style.fields}>
        <TextInput
          label={i18n._("Balance below")}
          description={i18n._("At least {amount}", { amount: toDigits(bounds.min_threshold_usd) })}
          {...money}
          key={form.key("threshold_usd")}
          {...form.getInputProps("threshold_usd")}
        />
        {offer.custom ? (
          <TextInput description={i18n._("{least} to {most}", { least: toDigits(offer.min_usd), most: toDigits(offer.max_usd) })} {...money} {...amount} />
        ) : (
          <Select
            description={i18n._("Choose an amount")}
            data={offer.packs_usd.map((usd) => ({ value: plain(usd), label: toDigits(usd) }))}
            allowDeselect={false}
            {...amount}
          />
        )}
        <TextInput
          label={i18n._("Monthly limit")}
          description={i18n._("At most {amount}, UTC", { amount: toDigits(bounds.max_month_usd) })}
          {...money}
          key={form.key("month_usd")}
          {...form.getInputProps("month_usd")}
        />
      </div>
      {saved_methods.length > 1 ? (
        <Select
          label={i18n._("Payment method")}
          data={saved_methods.map((each) => ({ value: each.processor, label: savedName(each) }))}
          allowDeselect={false}
          key={form.key("processor")}
          {...form.getInputProps("processor")}
        />
      ) : (
        saved_methods.map((each) => (
          <p key={each.processor}>{i18n._("Charged to {method}, saved on {day}.", { method: savedName(each), day: showTime(each.saved_at, "day") })}</p>
        ))
      )}
      <FormProblem problem={problem} />
      <Button type="submit" loading={busy} style={{ alignSelf: "flex-start" }}>
        {auto.enabled ? i18n._("Save") : i18n._("Turn on")}
      </Button>
    </form>
  );
}

/** The saved method, such as "Card at Stripe". */
export function savedName(saved: Saved | undefined): string {
  if (saved === undefined) return i18n._("your saved method");
  const processor = methodName(saved.processor);
  if (saved.method === null || saved.method === saved.processor) return processor;
  return i18n._("{method} at {processor}", { method: methodName(saved.method), processor });
}

/** As a user would type it: "20", "7.5". */
function plain(amount: string): string {
  return amount.replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

function typed(text: string): string {
  return text.trim().replace(/^\$/, "");
}
