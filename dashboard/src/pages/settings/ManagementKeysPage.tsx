// Management keys, which let programs do what these pages do, each with a role.
import { i18n } from "@lingui/core";
import { Button, Switch } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, Outlet } from "@tanstack/react-router";
import { useState } from "react";
import { Confirm } from "../../parts/Confirm.tsx";
import { type Column, DataTable } from "../../parts/DataTable.tsx";
import { Await, Empty } from "../../parts/States.tsx";
import { StatusDot } from "../../parts/StatusDot.tsx";
import { Time } from "../../parts/Time.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import { roleName } from "../../shell/menus.tsx";
import { type ManagementKey, managementKeysQuery, type Member, membersQuery, revokeManagementKey } from "./queries.ts";
import style from "./Settings.module.css";
import { RowAct, SettingsPage } from "./SettingsPage.tsx";

export function ManagementKeysPage() {
  const { account } = useScope();
  const manages = useRight("manage");
  const keys = useQuery({ ...managementKeysQuery(account.id), enabled: manages });
  return (
    <SettingsPage title={i18n._("Management keys")} action={manages && <MakeKey />}>
      {manages ? (
        <Await query={keys} rows={4}>
          {(all) => (all.length === 0 ? <FirstDay /> : <Keys keys={all} />)}
        </Await>
      ) : (
        <Empty title={i18n._("Your role does not allow this")}>{i18n._("Owners and admins can create management keys.")}</Empty>
      )}
      <Outlet />
    </SettingsPage>
  );
}

function MakeKey() {
  return (
    <Button component={Link} to="/settings/management-keys/new">
      {i18n._("Create key")}
    </Button>
  );
}

function FirstDay() {
  return (
    <Empty title={i18n._("Management keys give programs access to the control API.")}>
      {i18n._("They can create API keys, read usage and the ledger, and top up, as far as their role allows. They cannot call models.")}
    </Empty>
  );
}

function Keys({ keys }: { keys: readonly ManagementKey[] }) {
  const { account } = useScope();
  const client = useQueryClient();
  const { data: members = [] } = useQuery(membersQuery(account.id));
  const [showsAll, setShowsAll] = useState(false);
  const [chosen, setChosen] = useState<ManagementKey | null>(null);
  const newest = keys.toReversed();
  const working = newest.filter((key) => !isOver(key));
  const over = newest.length - working.length;
  const rows = showsAll ? newest : working;
  return (
    <>
      {rows.length === 0 ? (
        <Empty title={i18n._("No active keys")}>{i18n._("All keys are revoked or expired.")}</Empty>
      ) : (
        <DataTable label={i18n._("Management keys")} rows={rows} columns={columns(members, setChosen)} rowKey={(key) => key.id} />
      )}
      {over > 0 && (
        <Switch
          className={style.after}
          checked={showsAll}
          onChange={(event) => setShowsAll(event.currentTarget.checked)}
          label={i18n._("{count, plural, one {Show # inactive} other {Show # inactive}}", { count: over })}
        />
      )}
      <Confirm
        opened={chosen !== null}
        title={i18n._("Revoke {name}", { name: chosen ? nameOf(chosen) : "" })}
        words={i18n._("Its requests are refused from now on. Its past changes remain, and the audit log shows them. This cannot be undone.")}
        label={i18n._("Revoke")}
        act={async () => {
          if (chosen) await revokeManagementKey(account.id, chosen.id);
          await client.invalidateQueries({ queryKey: managementKeysQuery(account.id).queryKey });
        }}
        onClose={() => setChosen(null)}
      />
    </>
  );
}

function columns(members: readonly Member[], choose: (key: ManagementKey) => void): Column<ManagementKey>[] {
  return [
    { id: "name", head: i18n._("Name"), wide: true, cell: (key) => <Name of={key} /> },
    { id: "key", head: i18n._("Key"), narrow: "hide", cell: (key) => <span className="mono soft">{shownKey(key)}</span> },
    { id: "role", head: i18n._("Role"), cell: (key) => roleName(key.role) },
    { id: "by", head: i18n._("Created by"), narrow: "tablet", cell: (key) => <span className="soft">{maker(key, members)}</span> },
    { id: "end", head: i18n._("Expires"), narrow: "hide", cell: (key) => <Ends of={key} /> },
    { id: "act", head: "", align: "end", cell: (key) => !isOver(key) && <Revoke of={key} choose={choose} /> },
  ];
}

function Name({ of: key }: { of: ManagementKey }) {
  const label = key.revoked_at !== null ? i18n._("revoked") : isOver(key) ? i18n._("expired") : i18n._("active");
  return (
    <>
      <StatusDot status={isOver(key) ? "off" : "good"} label={label} />
      <span className={isOver(key) ? "soft" : "strong"}>{nameOf(key)}</span>
      {isOver(key) && <span className="soft"> · {label}</span>}
    </>
  );
}

function Ends({ of: key }: { of: ManagementKey }) {
  return key.expires_at === null ? <span className="soft">{i18n._("never")}</span> : <Time at={key.expires_at} as="day" />;
}

function Revoke({ of: key, choose }: { of: ManagementKey; choose: (key: ManagementKey) => void }) {
  return (
    <RowAct act={() => choose(key)}>
      {i18n._("Revoke")}
    </RowAct>
  );
}

function isOver(key: ManagementKey): boolean {
  return key.revoked_at !== null || (key.expires_at !== null && Date.parse(key.expires_at) <= Date.now());
}

function nameOf(key: ManagementKey): string {
  return key.name || i18n._("unnamed");
}

function shownKey(key: ManagementKey): string {
  return `thm_live_${key.first4}…${key.last4}`;
}

function maker(key: ManagementKey, members: readonly Member[]): string {
  if (key.created_by === null) return i18n._("a program");
  const member = members.find((each) => each.id === key.created_by);
  return member ? member.name || member.email : i18n._("a former member");
}
