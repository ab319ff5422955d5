// Sign in: e-mail, password, and an authenticator code where that is on.
import { i18n } from "@lingui/core";
import { Button, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQuery } from "@tanstack/react-query";
import { Link, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { api, ask, Problem } from "../../api/client.ts";
import { CAN_PASSKEYS, isCancelled, signInByPasskey } from "../../api/passkeys.ts";
import { editionQuery } from "../../api/queries.ts";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { EntryForm, EmailField, enter, OtherService, PasswordField, Submit } from "./parts.tsx";

const NEEDS_CODE = "totp_required";

export function SignIn() {
  const { next, problem: brought } = useSearch({ from: "/doors/sign-in" });
  const { data: edition } = useQuery(editionQuery);
  const [asksCode, setAsksCode] = useState(false);
  const form = useForm({ mode: "uncontrolled", initialValues: { email: "", password: "", totp: "" } });
  const { busy, problem, submit } = useSubmit(form, async ({ email, password, totp }) => {
    try {
      await ask(api.POST("/api/session", { body: { email, password, totp: totp || null } }));
    } catch (error) {
      if (!(error instanceof Problem && error.code === NEEDS_CODE)) throw error;
      setAsksCode(true);
      return;
    }
    enter(next);
  });
  return (
    <EntryForm title={i18n._("Sign in")} onSubmit={submit}>
      {brought && <p role="alert" className="bad">{whyNot(brought)}</p>}
      <EmailField key={form.key("email")} {...form.getInputProps("email")} />
      <PasswordField key={form.key("password")} {...form.getInputProps("password")} />
      {asksCode && (
        <TextInput
          key={form.key("totp")}
          label={i18n._("Authenticator code")}
          inputMode="numeric"
          autoComplete="one-time-code"
          data-autofocus
          autoFocus
          {...form.getInputProps("totp")}
        />
      )}
      <FormProblem problem={problem} />
      <Submit busy={busy}>{i18n._("Sign in")}</Submit>
      {edition?.passkeys && CAN_PASSKEYS && <ByPasskey next={next} />}
      {edition?.openid && <OtherService name={edition.openid} />}
      <div className="row">
        <Link to="/reset-password">{i18n._("Forgot your password?")}</Link>
        {edition?.has_sign_up && (
          <Link to="/sign-up" className="push">
            {i18n._("Create an account")}
          </Link>
        )}
      </div>
    </EntryForm>
  );
}

/** Why sign-in through another service failed, by its code. */
function whyNot(code: string): string {
  if (code === "conflict") return i18n._("An account with this e-mail address already exists. Sign in to it, then connect the service in Settings.");
  if (code === NEEDS_CODE) return i18n._("Sign in with your password and the code from your authenticator app.");
  return i18n._("Sign-in failed. Try again, or use your password.");
}

function ByPasskey({ next }: { next: string | undefined }) {
  const { busy, problem, submit } = useSubmit(useForm({ initialValues: {} }), async () => {
    try {
      await signInByPasskey();
    } catch (error) {
      if (isCancelled(error)) return;
      throw error;
    }
    enter(next);
  });
  return (
    <>
      <Button variant="default" fullWidth loading={busy} onClick={() => submit()}>
        {i18n._("Sign in with a passkey")}
      </Button>
      <FormProblem problem={problem} />
    </>
  );
}
