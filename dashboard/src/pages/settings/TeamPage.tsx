// The team: members, invitations, and the account's name.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useNavigate } from "@tanstack/react-router";
import { type Column, DataTable } from "../../parts/DataTable.tsx";
import { Await } from "../../parts/States.tsx";
import { Time } from "../../parts/Time.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import { roleName } from "../../shell/menus.tsx";
import { AccountName } from "./AccountName.tsx";
import { Invitations } from "./Invitations.tsx";
import { Leave } from "./Leave.tsx";
import { type Member, membersQuery } from "./queries.ts";
import style from "./Settings.module.css";
import { SettingsPage } from "./SettingsPage.tsx";

export function TeamPage() {
  const { account } = useScope();
  const manages = useRight("manage");
  const members = useQuery(membersQuery(account.id));
  return (
    <SettingsPage title={i18n._("Team")} action={manages && <InviteButton />}>
      <Await query={members} rows={3}>
        {(all) => (
          <>
            <Members members={all} />
            {manages && <Invitations members={all} />}
            {manages && <AccountName />}
            <Leave members={all} />
          </>
        )}
      </Await>
      <Outlet />
    </SettingsPage>
  );
}

function InviteButton() {
  return (
    <Button component={Link} to="/settings/team/invite">
      {i18n._("Invite")}
    </Button>
  );
}

function Members({ members }: { members: readonly Member[] }) {
  const { account, user } = useScope();
  const navigate = useNavigate();
  const manages = useRight("manage");
  const changes = (member: Member) => account.grants.includes(member.role) && member.id !== user.id;
  const open = (member: Member) => {
    if (changes(member)) void navigate({ to: "/settings/team/$userId", params: { userId: member.id } });
  };
  return (
    <>
      <DataTable
        label={i18n._("Members")}
        rows={members}
        columns={columns(user.id, changes)}
        rowKey={(member) => member.id}
        {...(members.some(changes) && { onOpen: open })}
      />
      {manages && members.length === 1 && (
        <p className={`soft ${style.after}`}>{i18n._("You are the only member. Invite your team: each member gets their own sign-in and role.")}</p>
      )}
    </>
  );
}

function columns(you: string, changes: (member: Member) => boolean): Column<Member>[] {
  return [
    { id: "who", head: i18n._("Person"), wide: true, cell: (member) => <Who of={member} you={member.id === you} /> },
    { id: "since", head: i18n._("Since"), narrow: "hide", cell: (member) => <Time at={member.since} as="day" /> },
    { id: "role", head: i18n._("Role"), cell: (member) => roleName(member.role) },
    { id: "act", head: "", align: "end", cell: (member) => changes(member) && <ChangeLink of={member} /> },
  ];
}

function Who({ of: member, you }: { of: Member; you: boolean }) {
  return (
    <>
      <span className="strong">{member.name || member.email}</span>
      {member.name && <span className="soft"> {member.email}</span>}
      {you && <span className="soft"> · {i18n._("you")}</span>}
    </>
  );
}

function ChangeLink({ of: member }: { of: Member }) {
  return (
    <Link to="/settings/team/$userId" params={{ userId: member.id }}>
      {i18n._("Change")}
    </Link>
  );
}
