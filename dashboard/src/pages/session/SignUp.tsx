// Sign up: e-mail and password only. The answer is the same if the account already exists.
import { i18n } from "@lingui/core";
import { useForm } from "@mantine/form";
import { useQuery } from "@tanstack/react-query";
import { Link, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { api, ask } from "../../api/client.ts";
import { editionQuery } from "../../api/queries.ts";
import { isZero, toDigits } from "../../parts/amounts.ts";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { EntryForm, EmailField, OtherService, PasswordField, Submit } from "./parts.tsx";

export function SignUp() {
  const { referral } = useSearch({ from: "/doors/sign-up" });
  const { data: edition } = useQuery(editionQuery);
  const [sentTo, setSentTo] = useState<string | null>(null);
  const form = useForm({ mode: "uncontrolled", initialValues: { email: "", password: "" } });
  const { busy, problem, submit } = useSubmit(form, async ({ email, password }) => {
    await ask(api.POST("/api/sign-up", { body: { email, password, referral: referral ?? null, locale: i18n.locale } }));
    setSentTo(email);
  });
  if (sentTo !== null) return <MailSent to={sentTo} />;
  const gift = edition && !isZero(edition.welcome_usd);
  return (
    <EntryForm
      title={i18n._("Create an account")}
      lead={
        gift
          ? i18n._("{amount} to try every model. Yours for {days, plural, one {# day} other {# days}}, no card.", {
              amount: toDigits(edition.welcome_usd),
              days: edition.welcome_days,
            })
          : undefined
      }
      onSubmit={submit}
    >
      <EmailField key={form.key("email")} {...form.getInputProps("email")} />
      <PasswordField fresh key={form.key("password")} {...form.getInputProps("password")} />
      <FormProblem problem={problem} />
      <Submit busy={busy}>{i18n._("Create account")}</Submit>
      {edition?.openid && <OtherService name={edition.openid} referral={referral} />}
      <p className="soft">
        {i18n._("Have an account?")} <Link to="/sign-in">{i18n._("Sign in")}</Link>
      </p>
    </EntryForm>
  );
}

export function MailSent({ to }: { to: string }) {
  return (
    <EntryForm title={i18n._("Check your e-mail")}>
      <p>{i18n._("We have sent a link to {email}. It works once, for a short time.", { email: to })}</p>
      <p className="soft">{i18n._("No mail? Check your spam folder, or try again in a minute.")}</p>
      <Link to="/sign-in">{i18n._("Back to sign-in")}</Link>
    </EntryForm>
  );
}
