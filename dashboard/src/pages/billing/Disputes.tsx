// Disputed payments: their states, and what they mean for the account.
import { i18n } from "@lingui/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Documents } from "../../api/client.ts";
import { isZero, toCents } from "../../parts/amounts.ts";
import { type Column, DataTable } from "../../parts/DataTable.tsx";
import { Money } from "../../parts/Money.tsx";
import { Section } from "../../parts/Page.tsx";
import { type Status, StatusDot } from "../../parts/StatusDot.tsx";
import { Time } from "../../parts/Time.tsx";
import { useScope } from "../../shell/account.tsx";
import style from "./Billing.module.css";
import { inCurrency, methodName } from "./describe.ts";
import { disputesQuery } from "./queries.ts";

type Dispute = Documents["DisputeDocument"];

/** One sentence per open dispute: what it does to the account. */
export function DisputeNotice() {
  const { account } = useScope();
  const { data } = useQuery(disputesQuery(account.id));
  const open = data?.filter(isOpen) ?? [];
  if (open.length === 0) return null;
  return (
    <div className={style.notice} role="status">
      {open.map((dispute) => (
        <p key={dispute.id}>{meaning(dispute)}</p>
      ))}
      <Link to="/billing/top-ups" hash="disputes">
        {i18n._("How disputes work")}
      </Link>
    </div>
  );
}

export function Disputes() {
  const { account } = useScope();
  const { data } = useQuery(disputesQuery(account.id));
  if (!data?.length) return null;
  return (
    <div id="disputes">
      <Section title={i18n._("Disputes")}>
        <DataTable label={i18n._("Disputes")} rows={data.toReversed()} columns={columns()} rowKey={(dispute) => dispute.id} />
        <p className={`soft ${style.explained}`}>
          {i18n._("The payer has disputed the payment at their bank or at the processor. While the dispute is open, the payment's remaining credit is set aside, withdrawals are blocked, auto top-up is off, and each refund is reviewed. If the dispute is lost, the credit is removed and the part already spent becomes debt. If it is won, the credit is yours again.",
          )}
        </p>
      </Section>
    </div>
  );
}

function columns(): Column<Dispute>[] {
  return [
    { id: "at", head: i18n._("Date"), cell: (dispute) => <Time at={dispute.opened_at} as="day" /> },
    {
      id: "state",
      head: i18n._("State"),
      wide: true,
      cell: (dispute) => (
        <>
          <StatusDot status={stateOf(dispute).status} label="" />
          {stateOf(dispute).label}
        </>
      ),
    },
    { id: "by", head: i18n._("Paid by"), narrow: "hide", cell: (dispute) => <span className="soft">{methodName(dispute.processor)}</span> },
    { id: "frozen", head: i18n._("Set aside"), align: "end", narrow: "hide", cell: (dispute) => <Amount usd={dispute.frozen_usd} /> },
    { id: "taken", head: i18n._("Credit removed"), align: "end", narrow: "hide", cell: (dispute) => <Amount usd={dispute.taken_usd} /> },
    { id: "amount", head: i18n._("Disputed"), align: "end", cell: (dispute) => <span className="strong">{inCurrency(dispute.amount, dispute.currency)}</span> },
  ];
}

function Amount({ usd }: { usd: string }) {
  return isZero(usd) ? "–" : <Money usd={usd} />;
}

function isOpen(dispute: Dispute): boolean {
  return dispute.ended_at === null;
}

function meaning(dispute: Dispute): string {
  const amount = inCurrency(dispute.amount, dispute.currency);
  if (!isZero(dispute.taken_usd))
    return i18n._("A payment of {amount} is disputed. {credit} of credit is removed until the dispute is decided.", { amount, credit: toCents(dispute.taken_usd) });
  return i18n._("A payment of {amount} is disputed. {credit} of credit is set aside until the dispute is decided.", { amount, credit: toCents(dispute.frozen_usd) });
}

function stateOf(dispute: Dispute): { status: Status; label: string } {
  switch (dispute.state) {
    case "won":
      return { status: "good", label: i18n._("won; credit restored") };
    case "lost":
      return { status: "bad", label: i18n._("lost; credit removed") };
    default:
      return { status: "waiting", label: i18n._("open") };
  }
}
