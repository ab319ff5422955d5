// Links of a changed e-mail address: of the mail to the new one, which confirms it, and of the notice to the old one, which undoes it.
import { i18n } from "@lingui/core";
import { useForm } from "@mantine/form";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api, ask, type Documents } from "../../api/client.ts";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { EntryForm, PasswordField, Submit, useLinkToken } from "./parts.tsx";

type Undone = Documents["UndoneDocument"];

export function ConfirmEmail() {
  const token = useLinkToken();
  return <Confirmation key={token} token={token} />;
}

function Confirmation({ token }: { token: string }) {
  const [done, setDone] = useState(false);
  const form = useForm({ mode: "uncontrolled", initialValues: {} });
  const { busy, problem, submit } = useSubmit(form, async () => {
    await ask(api.POST("/api/email-change", { body: { token } }));
    setDone(true);
  });
  if (done) {
    return (
      <EntryForm title={i18n._("Your e-mail address has changed")}>
        <p>{i18n._("Sign in with it from now on. Your other sessions have ended.")}</p>
        <a href="/dashboard/settings">{i18n._("Go to your account")}</a>
      </EntryForm>
    );
  }
  return (
    <EntryForm title={i18n._("Confirm your new address")} onSubmit={submit}>
      <p>{i18n._("From then on you sign in with this address and receive mails there.")}</p>
      <FormProblem problem={problem} />
      {problem ? <Link to="/sign-in">{i18n._("Back to sign-in")}</Link> : <Submit busy={busy}>{i18n._("Confirm")}</Submit>}
    </EntryForm>
  );
}

export function UndoEmail() {
  const token = useLinkToken();
  return <Undoing key={token} token={token} />;
}

function Undoing({ token }: { token: string }) {
  const [undone, setUndone] = useState<Undone[] | null>(null);
  const form = useForm({ mode: "uncontrolled", initialValues: { password: "" } });
  const preview = useQuery({
    queryKey: ["email-undo", token],
    queryFn: () => ask(api.POST("/api/email-undo/preview", { body: { token } })),
    enabled: token !== "",
    retry: false,
  });
  const { busy, problem, submit } = useSubmit(form, async ({ password }) => {
    setUndone(await ask(api.POST("/api/email-undo", { body: { token, password } })));
  });
  if (undone) {
    return (
      <EntryForm title={i18n._("Your address stays the same")}>
        <p>{i18n._("You are signed out everywhere. Sign in with this address and your new password.")}</p>
        <UndoneList of={undone} lead={i18n._("These changes were also undone, as recorded in the audit log. Recreate those that were yours:")} />
        <Link to="/sign-in">{i18n._("Sign in")}</Link>
      </EntryForm>
    );
  }
  return (
    <EntryForm
      title={i18n._("Keep your e-mail address")}
      lead={i18n._("The person who requested the change knows your password or has access to your session. Choose a new password: all sessions are signed out, and passkeys and connected services are removed. If you requested it yourself, close this page.",
      )}
      onSubmit={submit}
    >
      <UndoneList of={preview.data ?? []} lead={i18n._("Changes made in your name since one day before the request are also undone:")} />
      <PasswordField fresh key={form.key("password")} {...form.getInputProps("password")} />
      <FormProblem problem={problem} />
      {problem?.param === "token" ? <Link to="/sign-in">{i18n._("Back to sign-in")}</Link> : <Submit busy={busy}>{i18n._("Keep my address")}</Submit>}
    </EntryForm>
  );
}

function UndoneList({ of: undone, lead }: { of: Undone[]; lead: string }) {
  if (undone.length === 0) return null;
  return (
    <div>
      <p>{lead}</p>
      <ul>
        {undone.map((each) => (
          <li key={`${each.account} ${each.kind} ${each.id}`}>{undoneName(each)}</li>
        ))}
      </ul>
    </div>
  );
}

function undoneName({ kind, id, name: called }: Undone): string {
  const name = called || id;
  const kinds: Record<Documents["UndoneKind"], string> = {
    key: i18n._("API key {name}", { name }),
    management_key: i18n._("Management key {name}", { name }),
    member: i18n._("Member {name}", { name }),
    role: i18n._("Role of {name}: restored", { name }),
    invitation: i18n._("Invitation for {name}", { name }),
    payee: i18n._("Payee {name}", { name }),
    withdrawal: i18n._("Withdrawal of {name}: credit restored", { name }),
    auto_top_up: i18n._("Auto top-up: off"),
    alert_webhook: i18n._("Alert webhook"),
    alerts: i18n._("E-mail alerts: on again"),
  };
  return kinds[kind];
}
