// A member: another role, or removed from the account.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { Confirm } from "../../parts/Confirm.tsx";
import { Drawer } from "../../parts/Drawer.tsx";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { Await, Empty } from "../../parts/States.tsx";
import { useScope } from "../../shell/account.tsx";
import { changeMember, invitationsQuery, type Member, membersQuery, type Role, removeMember } from "./queries.ts";
import { RoleChoice } from "./RoleChoice.tsx";
import style from "./Settings.module.css";

export function MemberPanel() {
  const { account, user } = useScope();
  const { userId } = useParams({ from: "/shell/settings/team/$userId" });
  const navigate = useNavigate();
  const members = useQuery(membersQuery(account.id));
  const member = members.data?.find((each) => each.id === userId);
  const close = () => void navigate({ to: "/settings/team" });
  const changes = member && account.grants.includes(member.role) && member.id !== user.id;
  return (
    <Drawer title={member ? member.name || member.email : i18n._("Member")} onClose={close}>
      <Await query={members} rows={5}>
        {() =>
          changes ? (
            <Contents of={member} onDone={close} />
          ) : (
            <Empty title={member ? i18n._("Your role does not allow this") : i18n._("Not found")}>
              {member ? i18n._("You cannot change a role above your own.") : i18n._("This member may have left the account.")}
            </Empty>
          )
        }
      </Await>
    </Drawer>
  );
}

function Contents({ of: member, onDone }: { of: Member; onDone: () => void }) {
  const { account } = useScope();
  const client = useQueryClient();
  const [asks, setAsks] = useState(false);
  const refresh = async () => {
    await client.invalidateQueries({ queryKey: membersQuery(account.id).queryKey });
    await client.invalidateQueries({ queryKey: invitationsQuery(account.id).queryKey });
  };
  const form = useForm({ mode: "uncontrolled", initialValues: { role: member.role as string } });
  const { busy, problem, submit } = useSubmit(form, async ({ role }) => {
    await changeMember(account.id, member.id, role as Role);
    await refresh();
    onDone();
  });
  const who = member.name || member.email;
  const words = i18n._("{who} loses access to this account. Management keys and invitations they created are revoked; API keys keep working.", { who });
  return (
    <>
      <form className="stack" onSubmit={submit} noValidate>
        {member.name && <p className="soft">{member.email}</p>}
        <RoleChoice label={i18n._("Role")} roles={account.grants} key={form.key("role")} {...form.getInputProps("role")} />
        <FormProblem problem={problem} />
        <Button type="submit" loading={busy} className={style.start}>
          {i18n._("Save")}
        </Button>
      </form>
      <section className={style.apart}>
        <h2>{i18n._("Remove from the account")}</h2>
        <p className="soft">{words}</p>
        <Button variant="default" onClick={() => setAsks(true)} className={style.start}>
          {i18n._("Remove")}
        </Button>
      </section>
      <Confirm
        opened={asks}
        title={i18n._("Remove {who}", { who })}
        words={words}
        label={i18n._("Remove")}
        act={async () => {
          await removeMember(account.id, member.id);
          onDone();
          await refresh();
        }}
        onClose={() => setAsks(false)}
      />
    </>
  );
}
