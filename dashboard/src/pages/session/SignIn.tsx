// Sign in: e-mail, password, and the six digits where they are on.
import { i18n } from "@lingui/core";
import { TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQuery } from "@tanstack/react-query";
import { Link, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { api, ask, Problem } from "../../api/client.ts";
import { editionQuery } from "../../api/queries.ts";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { DoorForm, EmailField, enter, PasswordField, Submit } from "./parts.tsx";

const NEEDS_CODE = "totp_required";

export function SignIn() {
  const { next } = useSearch({ from: "/doors/sign-in" });
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
    <DoorForm title={i18n._("Sign in")} onSubmit={submit}>
      <EmailField key={form.key("email")} {...form.getInputProps("email")} />
      <PasswordField key={form.key("password")} {...form.getInputProps("password")} />
      {asksCode && (
        <TextInput
          key={form.key("totp")}
          label={i18n._("Code from your authenticator")}
          inputMode="numeric"
          autoComplete="one-time-code"
          data-autofocus
          autoFocus
          {...form.getInputProps("totp")}
        />
      )}
      <FormProblem problem={problem} />
      <Submit busy={busy}>{i18n._("Sign in")}</Submit>
      <div className="row">
        <Link to="/reset-password">{i18n._("Forgot your password?")}</Link>
        {edition?.has_sign_up && (
          <Link to="/sign-up" className="push">
            {i18n._("Create an account")}
          </Link>
        )}
      </div>
    </DoorForm>
  );
}
