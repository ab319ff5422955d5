// The account's keys: spending, limit and last use of each.
import { i18n } from "@lingui/core";
import { Button, Switch } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { share } from "../../parts/amounts.ts";
import { type Column, DataTable } from "../../parts/DataTable.tsx";
import { Meter } from "../../parts/Meter.tsx";
import { Money } from "../../parts/Money.tsx";
import { Page } from "../../parts/Page.tsx";
import { Await, Empty } from "../../parts/States.tsx";
import { StatusDot } from "../../parts/StatusDot.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import { usePageNames } from "../../shell/pageNames.ts";
import { isOver, keyName, keyStatus, lastUsed, limitOf, spendLimits } from "./describe.ts";
import style from "./Keys.module.css";
import { type Key, keysQuery } from "./queries.ts";

export function KeysPage() {
  const { account } = useScope();
  const keys = useQuery(keysQuery(account.id));
  return (
    <Page title={usePageNames().keys} action={<MakeKey />}>
      <Await query={keys} rows={6}>
        {(all) => (all.length === 0 ? <FirstDay /> : <KeyList keys={all} />)}
      </Await>
      <ConnectTool />
      <Outlet />
    </Page>
  );
}

function ConnectTool() {
  if (!useRight("manage_keys")) return null;
  return (
    <p className={`soft small ${style.over}`}>
      {i18n._("Does your tool show a code?")} <Link to="/connect">{i18n._("Connect it")}</Link>
    </p>
  );
}

function MakeKey() {
  const { makeKey } = usePageNames();
  if (!useRight("manage_keys")) return null;
  return (
    <Button component={Link} to="/keys/new">
      {makeKey}
    </Button>
  );
}

function FirstDay() {
  const allowed = useRight("manage_keys");
  return (
    <Empty title={i18n._("A key lets your tools call models.")}>
      {allowed
        ? i18n._("Give each tool its own key and limit, so you can revoke one without the others.")
        : i18n._("Members who can manage keys can create one for you.")}
    </Empty>
  );
}

function KeyList({ keys }: { keys: readonly Key[] }) {
  const navigate = useNavigate();
  const names = usePageNames();
  const [showsAll, setShowsAll] = useState(false);
  const newest = keys.toReversed();
  const working = newest.filter((key) => !isOver(key));
  const over = newest.length - working.length;
  const rows = showsAll ? newest : working;
  return (
    <>
      {rows.length === 0 ? (
        <Empty title={i18n._("No active keys")}>{i18n._("All keys are revoked or expired.")}</Empty>
      ) : (
        <DataTable
          label={names.keys}
          rows={rows}
          columns={columns(names.key)}
          rowKey={(key) => key.id}
          onOpen={(key) => void navigate({ to: "/keys/$keyId", params: { keyId: key.id } })}
        />
      )}
      {over > 0 && (
        <Switch
          className={style.over}
          checked={showsAll}
          onChange={(event) => setShowsAll(event.currentTarget.checked)}
          label={i18n._("{count, plural, one {Show # inactive} other {Show # inactive}}", { count: over })}
        />
      )}
    </>
  );
}

function columns(head: string): Column<Key>[] {
  return [
    { id: "name", head: i18n._("Name"), wide: true, cell: (key) => <Name of={key} /> },
    { id: "key", head, narrow: "tablet", cell: (key) => <span className="mono soft">{key.key}</span> },
    { id: "spent", head: i18n._("Spent"), align: "end", cell: (key) => <Money usd={key.spending.life_usd} /> },
    { id: "meter", head: "", narrow: "laptop", cell: (key) => <QuotaMeter of={key} /> },
    { id: "limit", head: i18n._("Limit"), narrow: "hide", cell: (key) => <span className="soft">{spendLimits(key)}</span> },
    { id: "used", head: i18n._("Last used"), align: "end", cell: (key) => <span className="soft">{lastUsed(key)}</span> },
  ];
}

function Name({ of }: { of: Key }) {
  const { status, label } = keyStatus(of);
  return (
    <>
      <StatusDot status={status} label={label} />
      <span className={isOver(of) ? "soft" : "strong"}>{keyName(of)}</span>
      {of.label && <span className="soft"> · {of.label}</span>}
      {isOver(of) && <span className="soft"> · {label}</span>}
    </>
  );
}

/** How much of the limit is spent; nothing without a limit. */
function QuotaMeter({ of }: { of: Key }) {
  const quota = limitOf(of.quota_usd);
  if (quota === null) return null;
  return <Meter used={share(of.spending.life_usd, quota)} />;
}
