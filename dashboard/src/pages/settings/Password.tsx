// Changes the password, or sets the first one.
import { i18n } from "@lingui/core";
import { Button, PasswordInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, ask } from "../../api/client.ts";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { useScope } from "../../shell/account.tsx";
import { CurrentPassword } from "./factors.tsx";
import { userSessionsQuery } from "./queries.ts";
import style from "./Settings.module.css";
import { Topic } from "./SettingsPage.tsx";
import { useKeepSession } from "./useSession.ts";

export function Password() {
  const { user } = useScope();
  const keep = useKeepSession();
  const client = useQueryClient();
  const [done, setDone] = useState(false);
  const form = useForm({ mode: "uncontrolled", initialValues: { current: "", new: "" }, onValuesChange: () => setDone(false) });
  const { busy, problem, submit } = useSubmit(form, async (values) => {
    const session = await ask(api.PUT("/api/user/password", { body: values }));
    form.reset();
    await keep(() => session);
    await client.invalidateQueries({ queryKey: userSessionsQuery.queryKey });
    setDone(true);
  });
  const lead = user.has_password
    ? i18n._("Changing it ends all your other sessions. We notify you by mail.")
    : i18n._("Not set. Set one to sign in with your e-mail address.");
  return (
    <Topic title={i18n._("Password")} lead={lead}>
      <form className={`stack ${style.narrow}`} onSubmit={submit} noValidate>
        <input type="email" autoComplete="username" value={user.email} readOnly hidden />
        {user.has_password && <CurrentPassword key={form.key("current")} {...form.getInputProps("current")} label={i18n._("Current password")} />}
        <PasswordInput
          visibilityToggleButtonProps={{ "aria-label": i18n._("Show the password") }}
          label={i18n._("New password")}
          description={i18n._("At least 10 characters. Long beats complicated.")}
          autoComplete="new-password"
          key={form.key("new")}
          {...form.getInputProps("new")}
        />
        <FormProblem problem={problem} />
        <Button type="submit" variant="default" loading={busy} className={style.start}>
          {user.has_password ? i18n._("Change password") : i18n._("Set password")}
        </Button>
        <p role="status" className="good">
          {done && i18n._("Changed. Your other sessions have ended.")}
        </p>
      </form>
    </Topic>
  );
}
