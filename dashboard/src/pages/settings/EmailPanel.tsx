// Requests a new e-mail address, which takes effect once the link mailed to it is opened.
import { i18n } from "@lingui/core";
import { Button, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { api, ask } from "../../api/client.ts";
import { Drawer } from "../../parts/Drawer.tsx";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { useScope } from "../../shell/account.tsx";
import { CodeField, CurrentPassword } from "./factors.tsx";
import style from "./Settings.module.css";

export function EmailPanel() {
  const navigate = useNavigate();
  const [sentTo, setSentTo] = useState<string | null>(null);
  const close = () => void navigate({ to: "/settings", resetScroll: false });
  return (
    <Drawer title={i18n._("Change your e-mail address")} onClose={close}>
      {sentTo === null ? <Ask onSent={setSentTo} /> : <Sent to={sentTo} onDone={close} />}
    </Drawer>
  );
}

function Ask({ onSent }: { onSent: (email: string) => void }) {
  const { user } = useScope();
  const form = useForm({ mode: "uncontrolled", initialValues: { email: "", password: "", code: "" } });
  const { busy, problem, submit } = useSubmit(form, async (body) => {
    await ask(api.POST("/api/user/email", { body }));
    onSent(body.email.trim());
  });
  return (
    <form className="stack" onSubmit={submit} noValidate>
      <p>{i18n._("We send a link to the new address. Nothing changes until you open it; your other sessions then end.")}</p>
      <TextInput label={i18n._("New e-mail address")} type="email" autoComplete="email" data-autofocus key={form.key("email")} {...form.getInputProps("email")} />
      {user.has_password && <CurrentPassword key={form.key("password")} {...form.getInputProps("password")} />}
      {user.totp && <CodeField label={i18n._("Code from the app, or a recovery code")} key={form.key("code")} {...form.getInputProps("code")} />}
      <FormProblem problem={problem} />
      <Button type="submit" loading={busy} className={style.start}>
        {i18n._("Send link")}
      </Button>
    </form>
  );
}

function Sent({ to, onDone }: { to: string; onDone: () => void }) {
  const { user } = useScope();
  return (
    <div className="stack" role="status">
      <p>{i18n._("We have sent a link to {email}. It works once, for 24 hours.", { email: to })}</p>
      <p className="soft">{i18n._("Until then, your address is still {email}. We also sent it a link that undoes the change, valid for 7 days.", { email: user.email })}</p>
      <Button variant="default" onClick={onDone} className={style.start}>
        {i18n._("Close")}
      </Button>
    </div>
  );
}
