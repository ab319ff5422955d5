// Billing at a glance: what there is, as the waterline and lot by lot.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Documents } from "../../api/client.ts";
import { balanceQuery } from "../../api/queries.ts";
import { isZero } from "../../parts/amounts.ts";
import { type Column, DataTable } from "../../parts/DataTable.tsx";
import { Balance, Money } from "../../parts/Money.tsx";
import { Page, Section } from "../../parts/Page.tsx";
import { Await, Empty } from "../../parts/States.tsx";
import { showTime, Time } from "../../parts/Time.tsx";
import { poolName, Waterline } from "../../parts/Waterline.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import style from "./Billing.module.css";
import { lotOrigin } from "./describe.ts";
import { lotsQuery } from "./queries.ts";
import { billingTabs } from "./tabs.ts";

type Lot = Documents["LotDocument"];

export function BillingPage() {
  const { account } = useScope();
  const lots = useQuery(lotsQuery(account.id));
  return (
    <Page title={i18n._("Billing")} action={<TopUpButton />} tabs={billingTabs()}>
      <Credit />
      <Await query={lots} rows={4}>
        {(all) => <Lots lots={all} />}
      </Await>
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
        {({ balance_usd, held_usd }) => (
          <>
            <p className={`figure ${style.balance}`}>
              <Balance usd={balance_usd} />
            </p>
            <p className="soft">
              {balance_usd.startsWith("-") && <span className="bad">{i18n._("Calls are stopped. The next top-up pays it first.")}</span>}
              {!isZero(held_usd) && (
                <>
                  <Money usd={held_usd} /> {i18n._("more is held for open calls")}
                </>
              )}
            </p>
          </>
        )}
      </Await>
    </section>
  );
}

function Lots({ lots }: { lots: readonly Lot[] }) {
  const left = lots.filter((lot) => !isZero(lot.remaining_usd));
  if (left.length === 0)
    return (
      <>
        <Waterline lots={lots} />
        <Empty title={i18n._("There is no credit.")}>{i18n._("What you top up, are given or earn is listed here, what ends first at the top.")}</Empty>
      </>
    );
  return (
    <>
      <Waterline lots={lots} />
      <Section title={i18n._("Lots, in the order in which they are spent")}>
        <DataTable label={i18n._("Lots")} rows={left} columns={columns()} rowKey={(lot) => lot.id} />
      </Section>
    </>
  );
}

function columns(): Column<Lot>[] {
  return [
    { id: "origin", head: i18n._("From"), wide: true, cell: (lot) => <span className="strong">{lotOrigin(lot)}</span> },
    { id: "pool", head: i18n._("Pool"), narrow: "hide", cell: (lot) => <span className="soft">{poolName(lot.pool)}</span> },
    { id: "at", head: i18n._("Since"), narrow: "hide", cell: (lot) => <Time at={lot.granted_at} as="day" /> },
    { id: "end", head: i18n._("Expires"), cell: (lot) => <span className="soft">{end(lot)}</span> },
    { id: "held", head: i18n._("Held"), align: "end", narrow: "hide", cell: (lot) => (isZero(lot.held_usd) ? "–" : <Money usd={lot.held_usd} />) },
    { id: "granted", head: i18n._("At first"), align: "end", narrow: "hide", cell: (lot) => <span className="soft"><Money usd={lot.granted_usd} /></span> },
    { id: "left", head: i18n._("Left"), align: "end", cell: (lot) => <Balance usd={lot.remaining_usd} /> },
  ];
}

function end(lot: Lot): string {
  if (lot.restriction === "locked") return i18n._("unlocks as you spend");
  if (lot.restriction === "payout") return i18n._("on its way out");
  return lot.expires_at === null ? i18n._("never") : showTime(lot.expires_at, "moment");
}
