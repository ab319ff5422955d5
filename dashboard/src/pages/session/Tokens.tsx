// Links that sign in: from the mail that verifies an address, from an invitation, and the operator's first. A click uses them, so that a
// mail program that opens links does not.
import { i18n } from "@lingui/core";
import { useForm } from "@mantine/form";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api, ask, Problem } from "../../api/client.ts";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { EntryForm, enter, PasswordField, Submit, useLinkToken } from "./parts.tsx";

/** The link of a sign-up. A browser that did not sign up is asked for a password: the one that lies with the link may be
 * somebody else's. */
export function VerifyEmail() {
  const token = useLinkToken();
  return (
    <LinkForm
      title={i18n._("Confirm your address")}
      words={i18n._("You opened this link in a different browser. Choose a password for your account.")}
      button={i18n._("Go to your account")}
      send={async (password) => {
        await ask(api.POST("/api/email-verification", { body: { token, password } }));
        enter();
      }}
    />
  );
}

export function OperatorSignIn() {
  const token = useLinkToken();
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
    <EntryForm title={title} onSubmit={submit}>
      <FormProblem problem={problem} />
      {problem ? <Link to="/sign-in">{i18n._("Back to sign-in")}</Link> : <Submit busy={busy}>{button}</Submit>}
    </EntryForm>
  );
}

/** Joins an account. Asks users without a password for one. */
export function Invitation() {
  const token = useLinkToken();
  return (
    <LinkForm
      title={i18n._("Join the account")}
      words={i18n._("Choose a password for your own sign-in.")}
      button={i18n._("Join")}
      send={async (password) => {
        const joined = await ask(api.POST("/api/invitation-acceptance", { body: { token, password } }));
        enter(joined.signed_in ? "/" : "/sign-in");
      }}
    />
  );
}

interface LinkFormProps {
  title: string;
  words: string;
  button: string;
  send: (password: string | null) => Promise<void>;
}

/** Opens a link by a click, and asks for a password, with `words`, only if the first attempt needs one. */
function LinkForm({ title, words, button, send }: LinkFormProps) {
  const [choosing, setChoosing] = useState(false);
  const form = useForm({ mode: "uncontrolled", initialValues: { password: "" } });
  const { busy, problem, submit } = useSubmit(form, async ({ password }) => {
    try {
      await send(password || null);
    } catch (error) {
      if (!(error instanceof Problem && error.param === "password" && !choosing)) throw error;
      setChoosing(true);
    }
  });
  return (
    <EntryForm title={title} onSubmit={submit}>
      {choosing && (
        <>
          <p>{words}</p>
          <PasswordField fresh key={form.key("password")} {...form.getInputProps("password")} />
        </>
      )}
      <FormProblem problem={problem} />
      {problem?.param === "token" ? <Link to="/sign-in">{i18n._("Back to sign-in")}</Link> : <Submit busy={busy}>{button}</Submit>}
    </EntryForm>
  );
}
