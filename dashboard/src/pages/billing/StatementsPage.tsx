// Statements: a month or any range, as it opens, changes and closes; as PDF and CSV, and the ledger's own CSV.
import { i18n } from "@lingui/core";
import { Button, Select, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import type { Documents } from "../../api/client.ts";
import { toCents, toDigits } from "../../parts/amounts.ts";
import { type Column, DataTable } from "../../parts/DataTable.tsx";
import { Page, Section } from "../../parts/Page.tsx";
import { Await, Empty } from "../../parts/States.tsx";
import { showTime, Time } from "../../parts/Time.tsx";
import { poolName } from "../../parts/Waterline.tsx";
import { useScope } from "../../shell/account.tsx";
import style from "./Billing.module.css";
import { entryType, inCurrency, methodName } from "./describe.ts";
import { statementQuery } from "./queries.ts";
import { lastDay, type Month, months, spanOf, type StatementSearch, thisMonth } from "./spans.ts";
import { useBillingTabs } from "./tabs.ts";

type Statement = Documents["StatementDocument"];

const RANGE = "range";

export function StatementsPage() {
  const search = useSearch({ from: "/shell/billing/statements" });
  const span = spanOf(search);
  return (
    <Page title={i18n._("Statements")} heading={i18n._("Billing")} tabs={useBillingTabs()}>
      <div className={style.span}>
        <MonthSelect search={search} />
        {search.from !== undefined && <RangeFields search={search} />}
        {span && <Files span={span} />}
      </div>
      {span ? <Contents span={span} /> : <Empty title={i18n._("The range ends before it starts.")}>{i18n._("Choose a first day on or before the last.")}</Empty>}
    </Page>
  );
}

function MonthSelect({ search }: { search: StatementSearch }) {
  const navigate = useNavigate({ from: "/billing/statements" });
  const known = months();
  const choose = (value: string | null) => {
    if (value !== RANGE) return void navigate({ search: { month: value as Month } });
    const span = spanOf(search);
    const now = new Date().toISOString();
    void navigate({ search: { from: span?.since.slice(0, 10) ?? now.slice(0, 10), to: span ? lastDay(span.until) : now.slice(0, 10) } });
  };
  return (
    <Select
      label={i18n._("Month")}
      data={[...known.map((month) => ({ value: month, label: monthName(month) })), { value: RANGE, label: i18n._("Custom range") }]}
      value={search.from === undefined ? (search.month ?? thisMonth()) : RANGE}
      onChange={choose}
      allowDeselect={false}
    />
  );
}

function RangeFields({ search }: { search: StatementSearch }) {
  const navigate = useNavigate({ from: "/billing/statements" });
  const change = (part: StatementSearch) => void navigate({ search: (now) => ({ ...now, ...part }), replace: true });
  const today = new Date().toISOString().slice(0, 10);
  return (
    <>
      <TextInput
        type="date"
        label={i18n._("First day, UTC")}
        max={today}
        value={search.from ?? ""}
        onChange={(event) => event.currentTarget.value && change({ from: event.currentTarget.value })}
      />
      <TextInput
        type="date"
        label={i18n._("Last day, UTC")}
        max={today}
        value={search.to ?? ""}
        onChange={(event) => event.currentTarget.value && change({ to: event.currentTarget.value })}
        error={spanOf(search) === null && i18n._("Must not be before the first day.")}
      />
    </>
  );
}

interface Span {
  since: string;
  until: string;
}

/** Downloads for the span, for accountants. */
function Files({ span }: { span: Span }) {
  const { account } = useScope();
  const file = (name: string) => `/api/accounts/${account.id}/${name}?${new URLSearchParams({ ...span })}`;
  return (
    <div className={`row ${style.files}`}>
      <Button component="a" download href={file("statements.pdf")}>
        {i18n._("Statement PDF")}
      </Button>
      <Button component="a" download variant="default" href={file("statements.csv")}>
        {i18n._("Statement CSV")}
      </Button>
      <Button component="a" download variant="default" href={file("ledger.csv")}>
        {i18n._("Ledger CSV")}
      </Button>
    </div>
  );
}

function Contents({ span }: { span: Span }) {
  const { account } = useScope();
  const statement = useQuery(statementQuery(account.id, span));
  return (
    <Await query={statement} rows={6}>
      {(found) => <Lines of={found} />}
    </Await>
  );
}

function Lines({ of: statement }: { of: Statement }) {
  const { movements, payments } = statement;
  return (
    <>
      <section className={style.paper} aria-label={i18n._("Statement")}>
        <Total label={i18n._("Balance on {moment}", { moment: showTime(statement.since, "utcDay") })} usd={statement.opening_usd} />
        {movements.map((each) => (
          <div key={each.type + each.pool} className={style.leader}>
            <span>{entryType(each.type)}</span>
            <span className="soft">{poolName(each.pool)}</span>
            <span className={each.usd.startsWith("-") ? undefined : "good"}>{signed(each.usd)}</span>
          </div>
        ))}
        {movements.length === 0 && <p className="soft">{i18n._("No changes to your credit in this period.")}</p>}
        <Total label={endLabel(statement.until)} usd={statement.closing_usd} large />
        <p className="soft small">{i18n._("Held credit counts as balance. Days are UTC. The files list each day, model and payment.")}</p>
      </section>
      {payments.length > 0 && (
        <Section title={i18n._("Payments")}>
          <DataTable label={i18n._("Payments")} rows={payments} columns={columns()} rowKey={(payment) => payment.top_up + payment.capture} />
        </Section>
      )}
    </>
  );
}

function Total({ label, usd, large }: { label: string; usd: string; large?: boolean }) {
  return (
    <p className={style.total}>
      <span className={large ? "strong" : "soft"}>{label}</span>
      <span className={large ? `figure ${style.amount}` : "strong"}>{toCents(usd, "down")}</span>
    </p>
  );
}

/** "Balance until now" where the span is not over. */
function endLabel(until: string): string {
  if (Date.parse(until) > Date.now()) return i18n._("Balance now");
  return i18n._("Balance at the end of {day}", { day: showTime(lastDay(until), "utcDay") });
}

/** To the cent; amounts below a cent in all digits. */
function signed(usd: string): string {
  const cents = toCents(usd);
  const shown = cents.includes("<") ? toDigits(usd) : cents;
  return usd.startsWith("-") ? shown : `+${shown}`;
}

function columns(): Column<Documents["StatementPaymentDocument"]>[] {
  return [
    { id: "at", head: i18n._("Date"), cell: (payment) => <Time at={payment.at} as="day" />, under: (payment) => methodName(payment.processor) },
    { id: "by", head: i18n._("Paid by"), narrow: "hide", cell: (payment) => methodName(payment.processor) },
    { id: "capture", head: i18n._("Payment"), wide: true, narrow: "hide", cell: (payment) => <span className="mono soft">{payment.capture}</span> },
    { id: "tax", head: i18n._("Tax included"), align: "end", narrow: "hide", cell: (payment) => <span className="soft">{inCurrency(payment.tax, payment.currency)}</span> },
    { id: "amount", head: i18n._("Paid"), align: "end", cell: (payment) => inCurrency(payment.amount, payment.currency) },
    { id: "credit", head: i18n._("Credit"), align: "end", cell: (payment) => <span className="strong">{toCents(payment.credit_usd)}</span> },
  ];
}

function monthName(month: Month): string {
  return new Intl.DateTimeFormat(i18n.locale === "zh" ? "zh-CN" : "en-GB", { month: "long", year: "numeric", timeZone: "UTC" }).format(new Date(`${month}-01`));
}

