// The account's name, shared by all members.
import { i18n } from "@lingui/core";
import { Button, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useState } from "react";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { Section } from "../../parts/Page.tsx";
import { useScope } from "../../shell/account.tsx";
import { nameAccount } from "./queries.ts";
import style from "./Settings.module.css";
import { useKeepSession } from "./useSession.ts";

export function AccountName() {
  const { account } = useScope();
  const keep = useKeepSession();
  const [saved, setSaved] = useState(false);
  const form = useForm({ mode: "uncontrolled", initialValues: { name: account.name }, onValuesChange: () => setSaved(false) });
  const { busy, problem, submit } = useSubmit(form, async ({ name }) => {
    const named = await nameAccount(account.id, name);
    await keep((session) => ({
      ...session,
      accounts: session.accounts.map((each) => (each.id === account.id ? { ...each, name: named.name } : each)),
    }));
    setSaved(true);
  });
  return (
    <Section title={i18n._("Account name")}>
      <form onSubmit={submit} noValidate>
        <p className={`soft ${style.before}`}>{i18n._("Shown in the account switcher and in invitations.")}</p>
        <div className={style.inline}>
          <TextInput aria-label={i18n._("Account name")} autoComplete="organization" key={form.key("name")} {...form.getInputProps("name")} />
          <Button type="submit" variant="default" loading={busy}>
            {i18n._("Save")}
          </Button>
          <span role="status" className="good">
            {saved && i18n._("Saved")}
          </span>
        </div>
        <FormProblem problem={problem} />
      </form>
    </Section>
  );
}
