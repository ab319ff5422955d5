// Sets an authenticator app up, step by step, or turns it off.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { api, ask, type Documents } from "../../api/client.ts";
import { Code } from "../../parts/Code.tsx";
import { Drawer } from "../../parts/Drawer.tsx";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { useScope } from "../../shell/account.tsx";
import { CodeField, CurrentPassword } from "./factors.tsx";
import { RecoveryCodes } from "./RecoveryCodes.tsx";
import style from "./Settings.module.css";
import { useKeepSession } from "./useSession.ts";

type Setup = Documents["TotpSetupDocument"];

export function AuthenticatorPanel() {
  const { user } = useScope();
  const keep = useKeepSession();
  const navigate = useNavigate();
  const [on] = useState(user.totp); // its state when the panel opened
  const [setup, setSetup] = useState<Setup | null>(null);
  const [codes, setCodes] = useState<readonly string[] | null>(null);
  const close = () => void navigate({ to: "/settings/security" });
  const turned = (totp: boolean) => keep((session) => ({ ...session, user: { ...session.user, totp } }));
  const confirmed = (recovery: readonly string[]) => {
    setCodes(recovery);
    void turned(true);
  };
  const title = on ? i18n._("Turn off the authenticator app") : codes ? i18n._("Recovery codes") : i18n._("Set up an authenticator app");
  return (
    <Drawer title={title} onClose={close} holds={codes !== null}>
      {on ? (
        <Removal onDone={() => void turned(false).then(close)} />
      ) : codes ? (
        <RecoveryCodes codes={codes} onDone={close}>{i18n._("The authenticator app is on.")}</RecoveryCodes>
      ) : setup ? (
        <Confirmation setup={setup} onDone={confirmed} />
      ) : (
        <Start onSetup={setSetup} />
      )}
    </Drawer>
  );
}

function Start({ onSetup }: { onSetup: (setup: Setup) => void }) {
  const { user } = useScope();
  const form = useForm({ mode: "uncontrolled", initialValues: { password: "" } });
  const { busy, problem, submit } = useSubmit(form, async (body) => onSetup(await ask(api.POST("/api/user/totp", { body }))));
  return (
    <form className="stack" onSubmit={submit} noValidate>
      <p>{i18n._("You need an app that generates codes, such as your password manager, on your phone or this computer.")}</p>
      {user.has_password && <CurrentPassword data-autofocus key={form.key("password")} {...form.getInputProps("password")} />}
      <FormProblem problem={problem} />
      <Button type="submit" loading={busy} className={style.start}>
        {i18n._("Continue")}
      </Button>
    </form>
  );
}

function Confirmation({ setup, onDone }: { setup: Setup; onDone: (codes: readonly string[]) => void }) {
  const form = useForm({ mode: "uncontrolled", initialValues: { code: "" } });
  const { busy, problem, submit } = useSubmit(form, async (body) => {
    const { recovery_codes } = await ask(api.PUT("/api/user/totp", { body }));
    onDone(recovery_codes);
  });
  return (
    <form className="stack" onSubmit={submit} noValidate>
      <p>{i18n._("Scan this with the app.")}</p>
      <img className={style.scan} src={`data:image/svg+xml,${encodeURIComponent(setup.svg)}`} alt={i18n._("QR code of the secret below")} />
      <div>
        <p className="soft" style={{ marginBottom: 8 }}>{i18n._("Or enter this secret:")}</p>
        <Code text={inFours(setup.secret)} label={i18n._("The secret")} />
      </div>
      <CodeField label={i18n._("Code shown by the app")} key={form.key("code")} {...form.getInputProps("code")} />
      <FormProblem problem={problem} />
      <Button type="submit" loading={busy} className={style.start}>
        {i18n._("Turn on")}
      </Button>
    </form>
  );
}

function Removal({ onDone }: { onDone: () => void }) {
  const { user } = useScope();
  const form = useForm({ mode: "uncontrolled", initialValues: { password: "", code: "" } });
  const { busy, problem, submit } = useSubmit(form, async (body) => {
    await ask(api.DELETE("/api/user/totp", { body }));
    onDone();
  });
  return (
    <form className="stack" onSubmit={submit} noValidate>
      <p>{i18n._("Your password alone is then enough to sign in, and your recovery codes stop working. We notify you by mail.")}</p>
      {user.has_password && <CurrentPassword data-autofocus key={form.key("password")} {...form.getInputProps("password")} />}
      <CodeField label={i18n._("Code from the app, or a recovery code")} key={form.key("code")} {...form.getInputProps("code")} />
      <FormProblem problem={problem} />
      <Button type="submit" color="signal" loading={busy} className={style.start}>
        {i18n._("Turn off")}
      </Button>
    </form>
  );
}

function inFours(secret: string): string {
  return secret.match(/.{1,4}/g)?.join(" ") ?? secret;
}
