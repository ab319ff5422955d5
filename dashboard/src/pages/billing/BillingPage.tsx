// Billing overview: the credit, as the waterline and lot by lot.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Documents } from "../../api/client.ts";
import { balanceQuery } from "../../api/queries.ts";
import { isZero, toCents } from "../../parts/amounts.ts";
import { type Column, DataTable } from "../../parts/DataTable.tsx";
import { Balance, Money } from "../../parts/Money.tsx";
import { Owed } from "../../parts/Owed.tsx";
import { Page, Section } from "../../parts/Page.tsx";
import { Await, Empty } from "../../parts/States.tsx";
import { showTime, Time } from "../../parts/Time.tsx";
import { lotKey, poolName, Waterline } from "../../parts/Waterline.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import style from "./Billing.module.css";
import { DisputeNotice } from "./Disputes.tsx";
import { lotOrigin } from "./describe.ts";
import { Holds } from "./Holds.tsx";
import { lotsQuery } from "./queries.ts";
import { useBillingTabs } from "./tabs.ts";

type Lot = Documents["LotDocument"];

export function BillingPage() {
  const { account } = useScope();
  const lots = useQuery(lotsQuery(account.id));
  return (
    <Page title={i18n._("Billing")} action={<TopUpButton />} tabs={useBillingTabs()}>
      <DisputeNotice />
      <Credit />
      <Await query={lots} rows={4}>
        {(all) => <Lots lots={all} />}
      </Await>
      <Holds />
    </Page>
  );
}

export function TopUpButton() {
  if (!useRight("spend")) return null;
  return (
    <Button component={Link} to="/billing/top-up">
      {i18n._("Top up")}
    </Button>
  );
}

function Credit() {
  const { account } = useScope();
  const balance = useQuery(balanceQuery(account.id));
  return (
    <section aria-label={i18n._("Balance")} className={style.credit}>
      <p className="soft">{i18n._("Balance")}</p>
      <Await query={balance} rows={2}>
        {(credit) => (
          <>
            <p className={`figure ${style.balance}`}>
              <Balance usd={credit.balance_usd} />
            </p>
            <Owed balance={credit} />
            <p className="soft">
              {!isZero(credit.held_usd) && (
                <>
                  <Money usd={credit.held_usd} /> {i18n._("more is held for open requests")}
                </>
              )}
            </p>
            <Pools of={credit.pools} />
          </>
        )}
      </Await>
    </section>
  );
}

/** The credit of each pool, holds included. */
function Pools({ of: pools }: { of: Documents["BalanceDocument"]["pools"] }) {
  const there = Object.entries(pools).filter(([, usd]) => !isZero(usd));
  if (there.length < 2) return null;
  return (
    <dl className={style.pools}>
      {there.map(([pool, usd]) => (
        <div key={pool}>
          <dt className="soft">{poolName(pool)}</dt>
          <dd className="strong num">{toCents(usd, "down")}</dd>
        </div>
      ))}
    </dl>
  );
}

function Lots({ lots }: { lots: readonly Lot[] }) {
  const left = lots.filter((lot) => !isZero(lot.remaining_usd));
  if (left.length === 0)
    return (
      <>
        <Waterline lots={lots} />
        <Empty title={i18n._("No credit")}>{i18n._("Credit that you top up, receive or earn appears here, soonest to expire first.")}</Empty>
      </>
    );
  return (
    <>
      <Waterline lots={lots} />
      <Section title={i18n._("Lots, in spending order")}>
        <DataTable label={i18n._("Lots")} rows={left} columns={columns()} rowKey={lotKey} />
      </Section>
    </>
  );
}

function columns(): Column<Lot>[] {
  return [
    { id: "origin", head: i18n._("From"), cell: (lot) => <Origin of={lot} /> },
    { id: "pool", head: i18n._("Pool"), narrow: "hide", cell: (lot) => <span className="soft">{poolName(lot.pool)}</span> },
    { id: "at", head: i18n._("Since"), narrow: "hide", cell: (lot) => <Time at={lot.granted_at} as="day" /> },
    { id: "end", head: i18n._("Expires"), wide: true, cell: (lot) => <span className="soft">{end(lot)}</span> },
    { id: "held", head: i18n._("Held"), align: "end", narrow: "hide", cell: (lot) => (isZero(lot.held_usd) ? "–" : <Money usd={lot.held_usd} />) },
    { id: "granted", head: i18n._("Granted"), align: "end", narrow: "tablet", cell: (lot) => <span className="soft"><Money usd={lot.granted_usd} /></span> },
    { id: "left", head: i18n._("Left"), align: "end", cell: (lot) => <Balance usd={lot.remaining_usd} /> },
  ];
}

/** Similar lots share one row. */
function Origin({ of: lot }: { of: Lot }) {
  const count = lot.more.length + 1;
  return (
    <>
      <span className="strong">{lotOrigin(lot)}</span>
      {count > 1 && <span className="soft"> · {i18n._("{count} lots", { count })}</span>}
    </>
  );
}

function end(lot: Lot): string {
  if (lot.restriction === "locked") return i18n._("unlocks as you spend");
  if (lot.restriction === "payout") return i18n._("being withdrawn");
  return lot.expires_at === null ? i18n._("never") : showTime(lot.expires_at, "moment");
}
