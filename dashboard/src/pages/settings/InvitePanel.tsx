// Invites a member by mail, with a role.
import { i18n } from "@lingui/core";
import { Button, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Drawer } from "../../parts/Drawer.tsx";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { Empty } from "../../parts/States.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import { invitationsQuery, invite, type Role } from "./queries.ts";
import { RoleChoice } from "./RoleChoice.tsx";
import style from "./Settings.module.css";

export function InvitePanel() {
  const navigate = useNavigate();
  const manages = useRight("manage");
  const close = () => void navigate({ to: "/settings/team" });
  return (
    <Drawer title={i18n._("Invite a member")} onClose={close}>
      {manages ? (
        <InviteForm onDone={close} />
      ) : (
        <Empty title={i18n._("Your role does not allow this")}>{i18n._("Owners and admins can invite members.")}</Empty>
      )}
    </Drawer>
  );
}

function InviteForm({ onDone }: { onDone: () => void }) {
  const { account } = useScope();
  const client = useQueryClient();
  const form = useForm({ mode: "uncontrolled", initialValues: { email: "", role: "developer" } });
  const { busy, problem, submit } = useSubmit(form, async ({ email, role }) => {
    await invite(account.id, { email, role: role as Role });
    await client.invalidateQueries({ queryKey: invitationsQuery(account.id).queryKey });
    onDone();
  });
  return (
    <form className="stack" onSubmit={submit} noValidate>
      <TextInput label={i18n._("E-mail")} type="email" autoComplete="off" data-autofocus key={form.key("email")} {...form.getInputProps("email")} />
      <RoleChoice label={i18n._("Role")} roles={account.grants} key={form.key("role")} {...form.getInputProps("role")} />
      <FormProblem problem={problem} />
      <p className="soft">{i18n._("They get a mail with a link. It works once and expires after 7 days.")}</p>
      <Button type="submit" loading={busy} className={style.start}>
        {i18n._("Send invitation")}
      </Button>
    </form>
  );
}
