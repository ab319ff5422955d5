// Adds a passkey: asks for the password, if there is one, then the browser asks the authenticator.
import { i18n } from "@lingui/core";
import { Button, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { addPasskey, isCancelled } from "../../api/passkeys.ts";
import { Drawer } from "../../parts/Drawer.tsx";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { useScope } from "../../shell/account.tsx";
import { agentName } from "./agents.ts";
import { CurrentPassword } from "./factors.tsx";
import { passkeysQuery } from "./queries.ts";
import style from "./Settings.module.css";

export function PasskeyPanel() {
  const { user } = useScope();
  const client = useQueryClient();
  const navigate = useNavigate();
  const close = () => void navigate({ to: "/settings/security" });
  const form = useForm({ mode: "uncontrolled", initialValues: { name: agentName(navigator.userAgent), password: "" } });
  const { busy, problem, submit } = useSubmit(form, async ({ name, password }) => {
    try {
      await addPasskey(password, name);
    } catch (error) {
      if (isCancelled(error)) return;
      throw error;
    }
    await client.invalidateQueries({ queryKey: passkeysQuery.queryKey });
    close();
  });
  return (
    <Drawer title={i18n._("Add a passkey")} onClose={close}>
      <form className="stack" onSubmit={submit} noValidate>
        <p>{i18n._("Your browser asks where to save it. We notify you by mail.")}</p>
        <TextInput label={i18n._("Name")} autoComplete="off" key={form.key("name")} {...form.getInputProps("name")} />
        {user.has_password && <CurrentPassword data-autofocus key={form.key("password")} {...form.getInputProps("password")} />}
        <FormProblem problem={problem} />
        <Button type="submit" loading={busy} className={style.start}>
          {i18n._("Continue")}
        </Button>
      </form>
    </Drawer>
  );
}
