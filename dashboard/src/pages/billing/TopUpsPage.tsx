// Top-ups with their receipts and refunds.
import { i18n } from "@lingui/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, Outlet, useNavigate } from "@tanstack/react-router";
import { editionQuery } from "../../api/queries.ts";
import { type Column, DataTable } from "../../parts/DataTable.tsx";
import { isZero } from "../../parts/amounts.ts";
import { Money } from "../../parts/Money.tsx";
import { Page, Section } from "../../parts/Page.tsx";
import { Await, Empty } from "../../parts/States.tsx";
import { StatusDot } from "../../parts/StatusDot.tsx";
import { Time } from "../../parts/Time.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import { TopUpButton } from "./BillingPage.tsx";
import { Disputes } from "./Disputes.tsx";
import { inCurrency, methodName, refundState, topUpState } from "./describe.ts";
import { type Refund, refundsQuery, type TopUp, topUpsQuery } from "./queries.ts";
import { useBillingTabs } from "./tabs.ts";

export function TopUpsPage() {
  const { account } = useScope();
  const topUps = useInfiniteQuery(topUpsQuery(account.id));
  const { fetchNextPage, hasNextPage, isFetchingNextPage } = topUps;
  const more = hasNextPage ? { load: () => void fetchNextPage(), busy: isFetchingNextPage } : null;
  return (
    <Page title={i18n._("Billing")} action={<TopUpButton />} tabs={useBillingTabs()}>
      <Await query={topUps} rows={6}>
        {({ pages }) => <TopUps rows={pages.flatMap((page) => page.data)} more={more} />}
      </Await>
      <Refunds />
      <Disputes />
      <Outlet />
    </Page>
  );
}

type More = { load: () => void; busy: boolean } | null;

function TopUps({ rows, more }: { rows: TopUp[]; more: More }) {
  const navigate = useNavigate();
  const refunds = useRefunds();
  if (rows.length === 0)
    return <Empty title={i18n._("No top-ups yet")}>{i18n._("Payments appear here with their receipts and refundable amounts.")}</Empty>;
  return (
    <DataTable
      label={i18n._("Top-ups")}
      rows={rows}
      columns={columns(refunds)}
      rowKey={(topUp) => topUp.id}
      onOpen={(topUp) => void navigate({ to: "/billing/top-ups/$topUpId", params: { topUpId: topUp.id } })}
      more={more}
    />
  );
}

/** Whether refunds are offered and this user may request one. */
function useRefunds(): boolean {
  const { data: edition } = useQuery(editionQuery);
  const spends = useRight("spend");
  return spends && edition?.customer_refunds === true;
}

function columns(refunds: boolean): Column<TopUp>[] {
  return [
    {
      id: "at",
      head: i18n._("Date"),
      cell: (topUp) => <Time at={topUp.paid_at ?? topUp.created_at} as="day" />,
      under: (topUp) => <State {...topUpState(topUp)} />,
    },
    { id: "state", head: i18n._("State"), narrow: "hide", cell: (topUp) => <State {...topUpState(topUp)} /> },
    { id: "method", head: i18n._("Paid by"), wide: true, narrow: "hide", cell: (topUp) => <span className="soft">{methodName(topUp.method)}</span> },
    { id: "paid", head: i18n._("Amount"), align: "end", narrow: "hide", cell: (topUp) => inCurrency(topUp.amount, topUp.currency) },
    { id: "credit", head: i18n._("Credit"), align: "end", cell: (topUp) => <span className="strong"><Money usd={topUp.credit_usd} /></span> },
    {
      id: "left",
      head: i18n._("Left"),
      align: "end",
      narrow: "tablet",
      cell: (topUp) => topUp.state === "paid" && <span className="soft"><Money usd={topUp.left_usd} /></span>,
    },
    { id: "acts", head: "", align: "end", cell: (topUp) => topUp.state === "paid" && <Acts of={topUp} refunds={refunds} /> },
  ];
}

function Acts({ of: topUp, refunds }: { of: TopUp; refunds: boolean }) {
  const { account } = useScope();
  return (
    <>
      <a href={`/api/accounts/${account.id}/top-ups/${topUp.id}/receipt.pdf`}>{i18n._("Receipt")}</a>
      {refunds && !isZero(topUp.refundable_usd) && (
        <>
          {" · "}
          <Link to="/billing/top-ups/$topUpId/refund" params={{ topUpId: topUp.id }}>
            {i18n._("Refund")}
          </Link>
        </>
      )}
    </>
  );
}

function State({ status, label }: ReturnType<typeof topUpState>) {
  return (
    <>
      <StatusDot status={status} label="" />
      {label}
    </>
  );
}

function Refunds() {
  const { account } = useScope();
  const { data: refunds } = useQuery(refundsQuery(account.id));
  const own = refunds?.filter((refund) => refund.origin !== "withdrawal") ?? []; // those are listed with the withdrawals
  if (own.length === 0) return null;
  return (
    <Section title={i18n._("Refunds")}>
      <DataTable label={i18n._("Refunds")} rows={own.toReversed()} columns={refundColumns()} rowKey={(refund) => refund.id} />
    </Section>
  );
}

function refundColumns(): Column<Refund>[] {
  return [
    { id: "at", head: i18n._("Date"), cell: (refund) => <Time at={refund.asked_at} as="day" /> },
    { id: "state", head: i18n._("State"), wide: true, cell: (refund) => <State {...refundState(refund)} /> },
    { id: "to", head: i18n._("To"), narrow: "hide", cell: (refund) => <span className="soft">{methodName(refund.processor)}</span> },
    { id: "credit", head: i18n._("Credit removed"), align: "end", narrow: "hide", cell: (refund) => <Money usd={refund.credit_usd} /> },
    { id: "back", head: i18n._("You get"), align: "end", cell: (refund) => <span className="strong">{inCurrency(refund.amount, refund.currency)}</span> },
  ];
}
