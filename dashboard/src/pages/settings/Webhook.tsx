// The webhook for notices: its URL, and the secret that signs them, which is shown once.
import { i18n } from "@lingui/core";
import { Button, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Documents, Problem } from "../../api/client.ts";
import { Code } from "../../parts/Code.tsx";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { useScope } from "../../shell/account.tsx";
import { alertsQuery, dropWebhook, setWebhook } from "./alertQueries.ts";
import style from "./Alerts.module.css";

export function Webhook({ url, manages }: { url: string | null; manages: boolean }) {
  const [made, setMade] = useState<Documents["WebhookDocument"] | null>(null);
  const [changes, setChanges] = useState(false);
  if (!manages) return <p className={url === null ? "soft" : "mono"}>{url ?? i18n._("none")}</p>;
  if (made !== null) return <Secret made={made} onDone={() => setMade(null)} />;
  if (url === null || changes)
    return (
      <Address
        known={url}
        onSet={(webhook) => {
          setMade(webhook);
          setChanges(false);
        }}
        onLeave={changes ? () => setChanges(false) : null}
      />
    );
  return <Standing url={url} onChange={() => setChanges(true)} />;
}

interface AddressProps {
  known: string | null;
  onSet: (webhook: Documents["WebhookDocument"]) => void;
  onLeave: (() => void) | null;
}

function Address({ known, onSet, onLeave }: AddressProps) {
  const { account } = useScope();
  const refresh = useRefresh();
  const form = useForm({ initialValues: { url: known ?? "" } });
  const { busy, problem, submit } = useSubmit(form, async ({ url }) => {
    const made = await setWebhook(account.id, url.trim());
    onSet(made);
    await refresh();
  });
  return (
    <form onSubmit={submit} noValidate>
      <div className={style.line}>
        <TextInput
          className={style.address}
          aria-label={i18n._("Webhook URL")}
          placeholder="https://example.com/alerts"
          type="url"
          autoComplete="off"
          {...form.getInputProps("url")}
        />
        <Button type="submit" variant="default" h={36} loading={busy} disabled={form.values.url.trim() === ""}>
          {known === null ? i18n._("Add webhook") : i18n._("Replace, with a new secret")}
        </Button>
        {onLeave && (
          <Button variant="subtle" h={36} onClick={onLeave}>
            {i18n._("Cancel")}
          </Button>
        )}
      </div>
      <FormProblem problem={problem} />
      {known !== null && <p className="soft">{i18n._("From then on, notices are signed with the new secret only.")}</p>}
    </form>
  );
}

function Secret({ made, onDone }: { made: Documents["WebhookDocument"]; onDone: () => void }) {
  return (
    <div className="stack">
      <p>{i18n._("Notices now go to {url}, signed with this secret. Copy it now. It is not shown again.", { url: made.url })}</p>
      <Code text={made.secret} label={i18n._("The webhook's secret")} />
      <Button onClick={onDone} style={{ alignSelf: "flex-start" }}>
        {i18n._("I have copied it")}
      </Button>
    </div>
  );
}

function Standing({ url, onChange }: { url: string; onChange: () => void }) {
  const { account } = useScope();
  const refresh = useRefresh();
  const drop = useMutation({ mutationFn: () => dropWebhook(account.id), onSuccess: refresh });
  return (
    <>
      <p className="mono">{url}</p>
      <div className={`row ${style.acts}`}>
        <Button variant="default" onClick={onChange}>
          {i18n._("Change")}
        </Button>
        <Button variant="default" onClick={() => drop.mutate()} loading={drop.isPending}>
          {i18n._("Remove")}
        </Button>
      </div>
      <FormProblem problem={drop.error instanceof Problem ? drop.error : null} />
    </>
  );
}

function useRefresh() {
  const { account } = useScope();
  const client = useQueryClient();
  return () => client.invalidateQueries({ queryKey: alertsQuery(account.id).queryKey });
}
