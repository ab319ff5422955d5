// Links that sign in: of the mail that verifies an address, and the operator's first. A press uses them, so that a
// mail program that looks into links does not.
import { i18n } from "@lingui/core";
import { useForm } from "@mantine/form";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api, ask } from "../../api/client.ts";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { DoorForm, enter, linkToken, Submit } from "./parts.tsx";

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
