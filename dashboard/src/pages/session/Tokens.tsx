// Links that sign in: of the mail that verifies an address, and the operator's first. A press uses them, so that a
// mail program that looks into links does not.
import { i18n } from "@lingui/core";
import { useForm } from "@mantine/form";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api, ask, Problem } from "../../api/client.ts";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { DoorForm, enter, linkToken, PasswordField, Submit } from "./parts.tsx";

export function VerifyEmail() {
  const [token] = useState(linkToken);
  return (
    <OneClick
      title={i18n._("Confirm your address")}
      button={i18n._("Go to your account")}
      send={() => ask(api.POST("/api/email-verification", { body: { token } }))}
    />
  );
}

export function OperatorSignIn() {
  const [token] = useState(linkToken);
  return (
    <OneClick
      title={i18n._("Sign in as the operator")}
      button={i18n._("Sign in")}
      send={() => ask(api.POST("/api/operator-sign-in", { body: { token } }))}
    />
  );
}

function OneClick({ title, button, send }: { title: string; button: string; send: () => Promise<unknown> }) {
  const form = useForm({ mode: "uncontrolled", initialValues: {} });
  const { busy, problem, submit } = useSubmit(form, async () => {
    await send();
    enter();
  });
  return (
    <DoorForm title={title} onSubmit={submit}>
      <FormProblem problem={problem} />
      {problem ? <Link to="/sign-in">{i18n._("Back to sign-in")}</Link> : <Submit busy={busy}>{button}</Submit>}
    </DoorForm>
  );
}

/** Joins an account. Who has no password yet is asked for one. */
export function Invitation() {
  const [token] = useState(linkToken);
  const [choosing, setChoosing] = useState(false);
  const form = useForm({ mode: "uncontrolled", initialValues: { password: "" } });
  const { busy, problem, submit } = useSubmit(form, async ({ password }) => {
    try {
      const joined = await ask(api.POST("/api/invitation-acceptance", { body: { token, password: password || null } }));
      enter(joined.signed_in ? "/" : "/sign-in");
    } catch (error) {
      if (!(error instanceof Problem && error.param === "password" && !choosing)) throw error;
      setChoosing(true);
    }
  });
  return (
    <DoorForm title={i18n._("Join the account")} onSubmit={submit}>
      {choosing && (
        <>
          <p>{i18n._("Choose a password for your own sign-in.")}</p>
          <PasswordField fresh key={form.key("password")} {...form.getInputProps("password")} />
        </>
      )}
      <FormProblem problem={problem} />
      <Submit busy={busy}>{i18n._("Join")}</Submit>
    </DoorForm>
  );
}
