// Creates a management key: name, role and expiry; then the key itself, shown once.
import { i18n } from "@lingui/core";
import { Button, Select, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { Code } from "../../parts/Code.tsx";
import { Drawer } from "../../parts/Drawer.tsx";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { Empty } from "../../parts/States.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import { makeManagementKey, managementKeysQuery, type Role } from "./queries.ts";
import { RoleChoice } from "./RoleChoice.tsx";
import style from "./Settings.module.css";

const DAY_MS = 86_400_000;

export function NewManagementKey() {
  const navigate = useNavigate();
  const manages = useRight("manage");
  const [made, setMade] = useState<string | null>(null);
  const close = () => void navigate({ to: "/settings/management-keys" });
  return (
    <Drawer title={made === null ? i18n._("Create a management key") : i18n._("Your management key")} onClose={close} holds={made !== null}>
      {!manages ? (
        <Empty title={i18n._("Your role does not allow this")}>{i18n._("Owners and admins can create management keys.")}</Empty>
      ) : made === null ? (
        <NewKeyForm onMade={setMade} />
      ) : (
        <ShownKey secret={made} onDone={close} />
      )}
    </Drawer>
  );
}

function NewKeyForm({ onMade }: { onMade: (secret: string) => void }) {
  const { account } = useScope();
  const client = useQueryClient();
  const form = useForm({ mode: "uncontrolled", initialValues: { name: "", role: "viewer", expires_at: "90" } });
  const { busy, problem, submit } = useSubmit(form, async ({ name, role, expires_at }) => {
    const until = expires_at === "" ? null : new Date(Date.now() + Number(expires_at) * DAY_MS).toISOString();
    const issued = await makeManagementKey(account.id, { name, role: role as Role, expires_at: until });
    await client.invalidateQueries({ queryKey: managementKeysQuery(account.id).queryKey });
    onMade(issued.secret);
  });
  const roles = account.grants.filter((role) => role !== "owner"); // a program cannot be an owner
  return (
    <form className="stack" onSubmit={submit} noValidate>
      <TextInput
        label={i18n._("Name")}
        description={i18n._("The program that uses it. Shown in the audit log.")}
        autoComplete="off"
        data-autofocus
        key={form.key("name")}
        {...form.getInputProps("name")}
      />
      <RoleChoice label={i18n._("Role")} roles={roles} key={form.key("role")} {...form.getInputProps("role")} />
      <Select label={i18n._("Expires")} data={ends()} allowDeselect={false} key={form.key("expires_at")} {...form.getInputProps("expires_at")} />
      <FormProblem problem={problem} />
      <p className="soft">{i18n._("It also stops working when you leave the account or can no longer grant its role.")}</p>
      <Button type="submit" loading={busy} className={style.start}>
        {i18n._("Create key")}
      </Button>
    </form>
  );
}

function ShownKey({ secret, onDone }: { secret: string; onDone: () => void }) {
  const { account } = useScope();
  const command = `curl -H "Authorization: Bearer ${secret}" \\\n  ${location.origin}/api/accounts/${account.id}/balance`;
  return (
    <div className="stack">
      <div>
        <p style={{ marginBottom: 8 }}>{i18n._("Copy it now. It is not shown again.")}</p>
        <Code text={secret} label={i18n._("Your management key")} />
      </div>
      <div>
        <p style={{ marginBottom: 8 }}>{i18n._("Try it in a terminal:")}</p>
        <Code text={command} label="curl" />
      </div>
      <Button onClick={onDone} className={style.start}>
        {i18n._("I have copied it")}
      </Button>
    </div>
  );
}

function ends() {
  const days = (count: number) => ({
    value: String(count),
    label: i18n._("in {count, plural, one {# day} other {# days}}", { count }),
  });
  return [{ value: "", label: i18n._("never") }, ...[1, 7, 30, 90, 365].map(days)];
}
