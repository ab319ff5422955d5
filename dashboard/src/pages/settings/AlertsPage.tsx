// Alerts: which are sent, where to, and those sent so far.
import { i18n } from "@lingui/core";
import { Button, Switch, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Documents, Problem } from "../../api/client.ts";
import { isZero, toDigits } from "../../parts/amounts.ts";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { Await } from "../../parts/States.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import { alertsQuery, changeAlerts } from "./alertQueries.ts";
import style from "./Alerts.module.css";
import { Notices, TestAlerts } from "./Notices.tsx";
import { SettingsPage, Topic } from "./SettingsPage.tsx";
import { Webhook } from "./Webhook.tsx";

type Alerts = Documents["AlertsDocument"];

export function AlertsPage() {
  const { account } = useScope();
  const alerts = useQuery(alertsQuery(account.id));
  return (
    <SettingsPage title={i18n._("Alerts")}>
      <Await query={alerts} rows={8}>
        {(wanted) => <Wanted alerts={wanted} />}
      </Await>
      <Notices />
    </SettingsPage>
  );
}

function Wanted({ alerts }: { alerts: Alerts }) {
  const manages = useRight("manage");
  return (
    <>
      <Topic title={i18n._("Mail")} lead={i18n._("Sent to the account's owners as plain text.")}>
        {manages ? <MailSwitch alerts={alerts} /> : <p>{alerts.mail ? i18n._("on") : i18n._("off")}</p>}
      </Topic>
      <Topic title={i18n._("Low balance")} lead={i18n._("We alert you when the balance falls below this, at most once a day.")}>
        {manages ? (
          <Threshold alerts={alerts} />
        ) : (
          <p>{alerts.low_balance_usd === null ? i18n._("off") : i18n._("below {amount}", { amount: toDigits(alerts.low_balance_usd) })}</p>
        )}
      </Topic>
      <Topic title={i18n._("Also sent")} lead={i18n._("By mail and webhook, if turned on. Once per event, not per request.")}>
        <ul className={style.told}>
          <li>{i18n._("50%, 80% and 100% of the account's daily or monthly budget spent")}</li>
          <li>{i18n._("80% and 100% of a key's limit spent")}</li>
          <li>{i18n._("credit expires within 3 days")}</li>
          <li>{i18n._("a top-up, refund, withdrawal or dispute changes state")}</li>
          <li>{i18n._("a model that you use changes price or is retired within 30 days")}</li>
        </ul>
      </Topic>
      <Topic title={i18n._("Webhook")} lead={i18n._("The same notices as signed JSON, posted to your URL (Standard Webhooks).")}>
        <Webhook url={alerts.webhook} manages={manages} />
      </Topic>
      {manages && (
        <Topic title={i18n._("Test")} lead={i18n._("Sends one notice by mail and webhook now.")}>
          <TestAlerts />
        </Topic>
      )}
    </>
  );
}

function MailSwitch({ alerts }: { alerts: Alerts }) {
  const { account } = useScope();
  const client = useQueryClient();
  const change = useMutation({
    mutationFn: (mail: boolean) => changeAlerts(account.id, { mail }),
    onSuccess: (changed) => client.setQueryData(alertsQuery(account.id).queryKey, changed),
  });
  return (
    <>
      <Switch
        label={i18n._("Send e-mail alerts")}
        checked={change.isPending ? change.variables : alerts.mail}
        onChange={(event) => change.mutate(event.currentTarget.checked)}
      />
      <FormProblem problem={change.error instanceof Problem ? change.error : null} />
    </>
  );
}

/** An empty field is no threshold. */
function Threshold({ alerts }: { alerts: Alerts }) {
  const { account } = useScope();
  const client = useQueryClient();
  const [saved, setSaved] = useState(false);
  const stated = alerts.low_balance_usd;
  const form = useForm({
    initialValues: { low_balance_usd: stated === null || isZero(stated) ? "" : toDigits(stated).replace(/[$,]/g, "") },
    onValuesChange: () => setSaved(false),
  });
  const { busy, problem, submit } = useSubmit(form, async ({ low_balance_usd: typed }) => {
    const wanted = typed.trim().replace(/^\$/, "");
    client.setQueryData(alertsQuery(account.id).queryKey, await changeAlerts(account.id, { low_balance_usd: wanted || null }));
    setSaved(true);
  });
  return (
    <form onSubmit={submit} noValidate>
      <div className={style.line}>
        <TextInput
          aria-label={i18n._("Warn below")}
          leftSection="$"
          inputMode="decimal"
          autoComplete="off"
          placeholder={i18n._("off")}
          {...form.getInputProps("low_balance_usd")}
        />
        <Button type="submit" variant="default" h={36} loading={busy}>
          {i18n._("Save")}
        </Button>
        <span role="status" className={`good ${style.said}`}>
          {saved && i18n._("Saved")}
        </span>
      </div>
      <FormProblem problem={problem} />
    </form>
  );
}
