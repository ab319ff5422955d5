// Withdrawals: what can be withdrawn now or later and why; past requests; payees.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, Outlet } from "@tanstack/react-router";
import { type Documents, Problem } from "../../api/client.ts";
import { editionQuery } from "../../api/queries.ts";
import { isZero, toCents } from "../../parts/amounts.ts";
import { type Column, DataTable } from "../../parts/DataTable.tsx";
import { FormProblem } from "../../parts/forms.tsx";
import { Money } from "../../parts/Money.tsx";
import { Page, Section } from "../../parts/Page.tsx";
import { Await, Empty } from "../../parts/States.tsx";
import { StatusDot } from "../../parts/StatusDot.tsx";
import { showTime, Time } from "../../parts/Time.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import style from "./Billing.module.css";
import { entryType, inCurrency, methodName, withdrawalState } from "./describe.ts";
import { WithdrawalsBlocked } from "./WithdrawalsBlocked.tsx";
import { Payees } from "./Payees.tsx";
import { cancelWithdrawal, outlookQuery, payeesQuery, withdrawalsQuery } from "./queries.ts";
import { useBillingTabs } from "./tabs.ts";
import { withheld } from "./reasons.ts";

type Outlook = Documents["AccountOutlookDocument"];
type Part = Documents["LotOutlookDocument"];
type Withdrawal = Documents["WithdrawalDocument"];

export function WithdrawalsPage() {
  const { data: edition } = useQuery(editionQuery);
  const { account } = useScope();
  const outlook = useQuery(outlookQuery(account.id));
  return (
    <Page title={i18n._("Withdrawals")} heading={i18n._("Billing")} tabs={useBillingTabs()} action={<Withdraw outlook={outlook.data} />}>
      {edition?.withdrawals === false && (
        <Empty title={i18n._("Withdrawals are not offered here.")}>{i18n._("Your credit can be spent on requests.")}</Empty>
      )}
      {edition?.withdrawals && (
        <>
          <Await query={outlook} rows={6}>
            {(found) => <Leaving outlook={found} />}
          </Await>
          <Withdrawals />
          <Payees outlook={outlook.data} />
        </>
      )}
      <Outlet />
    </Page>
  );
}

function Withdraw({ outlook }: { outlook: Outlook | undefined }) {
  const spends = useRight("spend");
  if (!spends || outlook === undefined || isZero(outlook.now_usd)) return null;
  return <Button renderRoot={(props) => <Link {...props} to="/billing/withdrawals/new" />}>{i18n._("Withdraw")}</Button>;
}

function Leaving({ outlook }: { outlook: Outlook }) {
  return (
    <>
      <section className={style.credit} aria-label={i18n._("Available now")}>
        <p className="soft">{i18n._("Available now")}</p>
        <p className={`figure ${style.balance}`}>{toCents(outlook.now_usd, "down")}</p>
        {outlook.frozen === null ? (
          <p className="soft">{bounds(outlook)}</p>
        ) : (
          <p className="bad">
            <WithdrawalsBlocked outlook={outlook} />
          </p>
        )}
      </section>
      {outlook.lots.length === 0 ? (
        <Empty title={i18n._("No credit")}>{i18n._("Credit that you top up or earn appears here, with where and when it can be withdrawn.")}</Empty>
      ) : (
        <Section title={i18n._("Your credit and when it can be withdrawn")}>
          <DataTable label={i18n._("Your credit and when it can be withdrawn")} rows={outlook.lots} columns={partColumns()} rowKey={(part) => part.lot} />
          <p className={`soft ${style.explained}`}>
            {i18n._("Granted credit can only be spent. Cashback can be withdrawn once it has matured and you have paid a top-up; referral rewards, once the referred top-up is spent and can no longer be disputed.",
            )}
          </p>
        </Section>
      )}
    </>
  );
}

function bounds(outlook: Outlook): string {
  const words = [
    i18n._("Minimum {least} each; {left} more can be withdrawn today (UTC).", {
      least: toCents(outlook.min_usd),
      left: toCents(outlook.day_left_usd, "down"),
    }),
    outlook.approval && i18n._("We approve each withdrawal before it is paid."),
  ];
  return words.filter(Boolean).join(" ");
}

function partColumns(): Column<Part>[] {
  return [
    { id: "from", head: i18n._("From"), cell: (part) => <span className="strong">{entryType(part.origin)}</span> },
    { id: "to", head: i18n._("Destination"), narrow: "hide", cell: (part) => <span className="soft">{wayOf(part)}</span> },
    { id: "when", head: i18n._("When"), wide: true, cell: (part) => whenOf(part) },
    { id: "amount", head: i18n._("Amount"), align: "end", cell: (part) => <Money usd={part.amount_usd} /> },
  ];
}

function wayOf(part: Part): string {
  if (part.way === "original") return i18n._("back to the original payment");
  if (part.way === "payee") return i18n._("to a payee");
  return i18n._("not withdrawable");
}

function whenOf(part: Part): React.ReactNode {
  if (part.way === "none") return <span className="soft">{withheld(part)}</span>;
  if (part.since === null) return <span className="soft">{withheld(part)}</span>;
  if (Date.parse(part.since) <= Date.now()) return <span className="good">{i18n._("now")}</span>;
  return i18n._("from {moment}", { moment: showTime(part.since, "day") });
}

function Withdrawals() {
  const { account } = useScope();
  const withdrawals = useQuery(withdrawalsQuery(account.id));
  const { data: payees = [] } = useQuery(payeesQuery(account.id));
  const spends = useRight("spend");
  if (!withdrawals.data?.length) return null;
  return (
    <Section title={i18n._("Withdrawals")}>
      <DataTable
        label={i18n._("Withdrawals")}
        rows={withdrawals.data.toReversed()}
        columns={columns((each) => receiver(each, payees), spends)}
        rowKey={(each) => each.id}
      />
    </Section>
  );
}

function receiver(withdrawal: Withdrawal, payees: readonly Documents["PayeeDocument"][]): string {
  const payee = payees.find((each) => each.id === withdrawal.to);
  return payee?.address ?? methodName(withdrawal.processor);
}

function columns(to: (each: Withdrawal) => string, spends: boolean): Column<Withdrawal>[] {
  return [
    { id: "at", head: i18n._("Date"), cell: (each) => <Time at={each.asked_at} as="day" /> },
    { id: "state", head: i18n._("State"), wide: true, cell: (each) => <State of={each} /> },
    { id: "to", head: i18n._("To"), narrow: "hide", cell: (each) => <span className="soft">{to(each)}</span> },
    { id: "credit", head: i18n._("Credit removed"), align: "end", narrow: "hide", cell: (each) => <Money usd={each.credit_usd} /> },
    { id: "amount", head: i18n._("Arrives"), align: "end", cell: (each) => <span className="strong">{inCurrency(each.amount, each.currency)}</span> },
    { id: "acts", head: "", align: "end", cell: (each) => spends && each.state === "asked" && <Cancel of={each} /> },
  ];
}

function State({ of: withdrawal }: { of: Withdrawal }) {
  const { status, label } = withdrawalState(withdrawal);
  return (
    <>
      <StatusDot status={status} label="" />
      {label}
    </>
  );
}

function Cancel({ of: withdrawal }: { of: Withdrawal }) {
  const { account } = useScope();
  const client = useQueryClient();
  const cancelled = useMutation({
    mutationFn: () => cancelWithdrawal(account.id, withdrawal.id),
    onSettled: () => client.invalidateQueries({ queryKey: ["account", account.id] }),
  });
  return (
    <>
      <FormProblem problem={cancelled.error instanceof Problem ? cancelled.error : null} />
      <button type="button" className={style.act} disabled={cancelled.isPending} onClick={() => cancelled.mutate()}>
        {i18n._("Cancel")}
      </button>
    </>
  );
}
