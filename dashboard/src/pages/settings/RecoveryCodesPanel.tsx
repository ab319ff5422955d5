// Creates new recovery codes; the old ones stop working.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { useForm } from "@mantine/form";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { api, ask } from "../../api/client.ts";
import { Drawer } from "../../parts/Drawer.tsx";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { Empty } from "../../parts/States.tsx";
import { useScope } from "../../shell/account.tsx";
import { CodeField, CurrentPassword } from "./factors.tsx";
import { RecoveryCodes } from "./RecoveryCodes.tsx";
import style from "./Settings.module.css";

export function RecoveryCodesPanel() {
  const { user } = useScope();
  const navigate = useNavigate();
  const [codes, setCodes] = useState<readonly string[] | null>(null);
  const close = () => void navigate({ to: "/settings/security", resetScroll: false });
  return (
    <Drawer title={i18n._("Recovery codes")} onClose={close} holds={codes !== null}>
      {codes ? (
        <RecoveryCodes codes={codes} onDone={close}>
          {i18n._("The old codes no longer work.")}
        </RecoveryCodes>
      ) : user.totp ? (
        <Ask onMade={setCodes} />
      ) : (
        <Empty
          title={i18n._("No authenticator app is set up")}
          action={<Link to="/settings/security/authenticator">{i18n._("Set up")}</Link>}
        >
          {i18n._("Recovery codes let you sign in if you lose the app. You get them when you set one up.")}
        </Empty>
      )}
    </Drawer>
  );
}

function Ask({ onMade }: { onMade: (codes: readonly string[]) => void }) {
  const { user } = useScope();
  const form = useForm({ mode: "uncontrolled", initialValues: { password: "", code: "" } });
  const { busy, problem, submit } = useSubmit(form, async (body) => {
    const { recovery_codes } = await ask(api.POST("/api/user/recovery-codes", { body }));
    onMade(recovery_codes);
  });
  return (
    <form className="stack" onSubmit={submit} noValidate>
      <p>{i18n._("You get ten new codes. Your current codes stop working. We notify you by mail.")}</p>
      {user.has_password && <CurrentPassword data-autofocus key={form.key("password")} {...form.getInputProps("password")} />}
      <CodeField label={i18n._("Code from the app, or a recovery code")} key={form.key("code")} {...form.getInputProps("code")} />
      <FormProblem problem={problem} />
      <Button type="submit" loading={busy} className={style.start}>
        {i18n._("Create new codes")}
      </Button>
    </form>
  );
}
