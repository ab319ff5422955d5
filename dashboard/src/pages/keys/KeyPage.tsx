// A key: its spending and limits, its rules, and the actions that change, rotate, revoke or delete it.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useParams } from "@tanstack/react-router";
import { share, toCents } from "../../parts/amounts.ts";
import { Meter } from "../../parts/Meter.tsx";
import { Money } from "../../parts/Money.tsx";
import { Page, Section } from "../../parts/Page.tsx";
import { Await } from "../../parts/States.tsx";
import { StatusDot } from "../../parts/StatusDot.tsx";
import { showTime } from "../../parts/Time.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import { usePageNames } from "../../shell/pageNames.ts";
import { RefusedCalls } from "../usage/RefusedCalls.tsx";
import { expiry, isOver, keyName, keyStatus, lastUsed, limitOf, rateLimits, spendLimits } from "./describe.ts";
import { EndKey } from "./EndKey.tsx";
import style from "./Keys.module.css";
import { type Key, keyQuery } from "./queries.ts";

export function KeyPage() {
  const { account } = useScope();
  const { keyId } = useParams({ from: "/shell/keys/$keyId" });
  const found = useQuery(keyQuery(account.id, keyId));
  const { key } = usePageNames();
  const title = found.data ? keyName(found.data) : key;
  return (
    <>
      <Page title={title} action={found.data && <Replace of={found.data} />}>
        <Link to="/keys" className={`small ${style.back}`}>
          ← {i18n._("All keys")}
        </Link>
        <Await query={found} rows={8}>
          {(key) => <Contents of={key} />}
        </Await>
      </Page>
      <Outlet />
    </>
  );
}

function Contents({ of: key }: { of: Key }) {
  const manages = useRight("manage_keys");
  const { status, label } = keyStatus(key);
  return (
    <>
      <p className="row">
        <span>
          <StatusDot status={status} label="" />
          {label}
        </span>
        <span className="mono soft">{key.key}</span>
      </p>
      <Section title={i18n._("Spent")} aside={<UsageLink of={key} />}>
        <Spent of={key} />
      </Section>
      <RefusedCalls of={key.id} />
      <Section title={i18n._("Limits and restrictions")} aside={manages && key.revoked_at === null && <Change of={key} />}>
        <Rules of={key} />
      </Section>
      {manages && <EndKey of={key} />}
    </>
  );
}

function Replace({ of: key }: { of: Key }) {
  if (!useRight("manage_keys") || isOver(key)) return null;
  return (
    <Button renderRoot={(props) => <Link {...props} to="/keys/$keyId/rotate" params={{ keyId: key.id }} />}>
      {i18n._("Rotate")}
    </Button>
  );
}

function Change({ of: key }: { of: Key }) {
  return (
    <Link to="/keys/$keyId/change" params={{ keyId: key.id }}>
      {i18n._("Change")}
    </Link>
  );
}

function UsageLink({ of: key }: { of: Key }) {
  return <a href={`/dashboard/usage/requests?key=${key.id}`}>{i18n._("See requests")}</a>;
}

function Spent({ of: key }: { of: Key }) {
  const { life_usd, month_usd, day_usd } = key.spending;
  return (
    <dl className={style.facts}>
      <Spending label={i18n._("Total")} spent={life_usd} limit={key.quota_usd} />
      <Spending label={i18n._("This month, UTC")} spent={month_usd} limit={key.monthly_usd} />
      <Spending label={i18n._("Today, UTC")} spent={day_usd} limit={key.daily_usd} />
      <div>
        <dt className="soft">{i18n._("Last used")}</dt>
        <dd className={`figure ${style.amount}`}>{lastUsed(key)}</dd>
      </div>
    </dl>
  );
}

function Spending({ label, spent, limit }: { label: string; spent: string; limit: string | null }) {
  const most = limitOf(limit);
  const used = most === null ? 0 : share(spent, most);
  return (
    <div>
      <dt className="soft">{label}</dt>
      <dd>
        <span className={`figure ${style.amount}`}>
          <Money usd={spent} /> {most !== null && <small>{i18n._("of {amount}", { amount: toCents(most) })}</small>}
        </span>
        {most !== null && <Meter used={used} wide />}
      </dd>
    </div>
  );
}

function Rules({ of: key }: { of: Key }) {
  const all = i18n._("all");
  const rules: [string, string][] = [
    ...(key.label ? [[i18n._("Label"), key.label] as [string, string]] : []),
    [i18n._("Spending"), spendLimits(key)],
    [i18n._("Rates"), rateLimits(key)],
    [i18n._("Models"), key.models.join(", ") || all],
    [i18n._("Providers"), key.providers.join(", ") || all],
    [i18n._("Blocked providers"), key.deny_providers.join(", ") || i18n._("none")],
    [i18n._("Addresses"), key.ip.join(", ") || all],
    [i18n._("Expires"), expiry(key)],
    [i18n._("Created"), showTime(key.created_at, "moment")],
  ];
  return (
    <dl className={style.rules}>
      {rules.map(([label, rule]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{rule}</dd>
        </div>
      ))}
    </dl>
  );
}
