// Open invitations: to whom, by whom, until when; each can be revoked.
import { i18n } from "@lingui/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Confirm } from "../../parts/Confirm.tsx";
import { type Column, DataTable } from "../../parts/DataTable.tsx";
import { Section } from "../../parts/Page.tsx";
import { timeLeft } from "../../parts/Time.tsx";
import { useScope } from "../../shell/account.tsx";
import { roleName } from "../../shell/menus.tsx";
import { type Invited, invitationsQuery, type Member, withdrawInvitation } from "./queries.ts";
import { RowAct } from "./SettingsPage.tsx";

export function Invitations({ members }: { members: readonly Member[] }) {
  const { account } = useScope();
  const client = useQueryClient();
  const { data: invited } = useQuery(invitationsQuery(account.id));
  const [chosen, setChosen] = useState<Invited | null>(null);
  if (!invited?.length) return null;
  return (
    <Section title={i18n._("Invited")}>
      <DataTable label={i18n._("Invitations")} rows={invited} columns={columns(members, account.grants, setChosen)} rowKey={(each) => each.id} />
      <Confirm
        opened={chosen !== null}
        title={i18n._("Revoke invitation")}
        words={i18n._("The link mailed to {email} stops working.", { email: chosen?.email ?? "" })}
        label={i18n._("Revoke invitation")}
        act={async () => {
          if (chosen) await withdrawInvitation(account.id, chosen.id);
          await client.invalidateQueries({ queryKey: invitationsQuery(account.id).queryKey });
        }}
        onClose={() => setChosen(null)}
      />
    </Section>
  );
}

function columns(members: readonly Member[], grants: readonly string[], choose: (invited: Invited) => void): Column<Invited>[] {
  return [
    { id: "who", head: i18n._("Person"), wide: true, cell: (each) => <span className="strong">{each.email}</span> },
    { id: "by", head: i18n._("Invited by"), narrow: "hide", cell: (each) => <span className="soft">{inviter(each, members)}</span> },
    { id: "role", head: i18n._("Role"), cell: (each) => roleName(each.role) },
    { id: "left", head: i18n._("Expires in"), narrow: "hide", cell: (each) => <span className="soft">{timeLeft(each.expires_at)}</span> },
    { id: "act", head: "", align: "end", cell: (each) => grants.includes(each.role) && <Withdraw of={each} choose={choose} /> },
  ];
}

function Withdraw({ of: invited, choose }: { of: Invited; choose: (invited: Invited) => void }) {
  return (
    <RowAct act={() => choose(invited)}>
      {i18n._("Revoke invitation")}
    </RowAct>
  );
}

function inviter(invited: Invited, members: readonly Member[]): string {
  const member = members.find((each) => each.id === invited.invited_by);
  return member ? member.name || member.email : i18n._("a program");
}
