// A forgotten password: without a token, a link by mail, whether or not the address is known; with one, a new password.
import { i18n } from "@lingui/core";
import { useForm } from "@mantine/form";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api, ask } from "../../api/client.ts";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { EntryForm, EmailField, PasswordField, Submit, useLinkToken } from "./parts.tsx";
import { MailSent } from "./SignUp.tsx";

export function Reset() {
  const token = useLinkToken();
  return token ? <NewPassword token={token} /> : <AskForLink />;
}

function AskForLink() {
  const [sentTo, setSentTo] = useState<string | null>(null);
  const form = useForm({ mode: "uncontrolled", initialValues: { email: "" } });
  const { busy, problem, submit } = useSubmit(form, async ({ email }) => {
    await ask(api.POST("/api/password-reset", { body: { email } }));
    setSentTo(email);
  });
  if (sentTo !== null) return <MailSent to={sentTo} />;
  return (
    <EntryForm title={i18n._("Reset your password")} lead={i18n._("We send a link to your e-mail address.")} onSubmit={submit}>
      <EmailField key={form.key("email")} {...form.getInputProps("email")} />
      <FormProblem problem={problem} />
      <Submit busy={busy}>{i18n._("Send link")}</Submit>
      <Link to="/sign-in">{i18n._("Back to sign-in")}</Link>
    </EntryForm>
  );
}

function NewPassword({ token }: { token: string }) {
  const [done, setDone] = useState(false);
  const form = useForm({ mode: "uncontrolled", initialValues: { password: "" } });
  const { busy, problem, submit } = useSubmit(form, async ({ password }) => {
    await ask(api.PUT("/api/password-reset", { body: { token, password } }));
    setDone(true);
  });
  if (done) return <Done />;
  return (
    <EntryForm title={i18n._("Choose a new password")} onSubmit={submit}>
      <PasswordField fresh key={form.key("password")} {...form.getInputProps("password")} />
      <FormProblem problem={problem} />
      <Submit busy={busy}>{i18n._("Change password")}</Submit>
    </EntryForm>
  );
}

function Done() {
  return (
    <EntryForm title={i18n._("Your password has changed")}>
      <p>{i18n._("You are signed out everywhere. Sign in with your new password.")}</p>
      <Link to="/sign-in">{i18n._("Sign in")}</Link>
    </EntryForm>
  );
}
