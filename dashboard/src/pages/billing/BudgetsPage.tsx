// Budgets: daily and monthly limits, how much of each is spent, and whose limit is in force.
import { i18n } from "@lingui/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Documents } from "../../api/client.ts";
import { isAbove, isZero, share, toCents } from "../../parts/amounts.ts";
import { Meter } from "../../parts/Meter.tsx";
import { Money } from "../../parts/Money.tsx";
import { Page, Section } from "../../parts/Page.tsx";
import { Await } from "../../parts/States.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import style from "./Billing.module.css";
import { BudgetsForm } from "./BudgetsForm.tsx";
import { budgetsQuery } from "./queries.ts";
import { useBillingTabs } from "./tabs.ts";

type Budgets = Documents["BudgetsDocument"];
type Budget = Documents["BudgetDocument"];

export function BudgetsPage() {
  const { account } = useScope();
  const budgets = useQuery(budgetsQuery(account.id));
  return (
    <Page title={i18n._("Budgets")} heading={i18n._("Billing")} tabs={useBillingTabs()}>
      <Await query={budgets} rows={6}>
        {(found) => <Contents of={found} />}
      </Await>
    </Page>
  );
}

function Contents({ of: { day, month } }: { of: Budgets }) {
  const spends = useRight("spend");
  return (
    <>
      <section aria-label={i18n._("State")} aria-live="polite">
        <p className={`figure ${style.headline}`}>{headline(day, month)}</p>
        <p className="soft">{meaning(day, month)}</p>
        <div className={style.budgets}>
          <Spent label={i18n._("Spent today, UTC")} of={day} limited={(amount) => i18n._("Operator's limit: {amount} a day.", { amount })} />
          <Spent label={i18n._("Spent this month, UTC")} of={month} limited={(amount) => i18n._("Operator's limit: {amount} a month.", { amount })} />
        </div>
      </section>
      {spends && (
        <Section title={day.own_usd === null && month.own_usd === null ? i18n._("Set a budget") : i18n._("Change")}>
          <BudgetsForm day={day} month={month} />
        </Section>
      )}
      <Section title={i18n._("How budgets work")}>
        <ul className={style.brakes}>
          <li>{i18n._("A budget covers all keys of the account, including open requests. It is never exceeded.")}</li>
          <li>{i18n._("A change applies from the next request. Open requests are not affected.")}</li>
          <li>{i18n._("A day starts at midnight UTC, a month on its first day.")}</li>
          <li>
            {i18n._("We alert you at 50%, 80% and 100%.")} <Link to="/settings/alerts">{i18n._("Alerts")}</Link>
          </li>
        </ul>
      </Section>
    </>
  );
}

function Spent({ label, of: budget, limited }: { label: string; of: Budget; limited: (amount: string) => string }) {
  const { own_usd: own, limit_usd: limit, in_force_usd: most, spent_usd: spent } = budget;
  return (
    <div className={style.month}>
      <p className="soft">{label}</p>
      <p>
        <span className={`figure ${style.amount}`}>
          <Money usd={spent} />
        </span>{" "}
        {most !== null && <span className="soft">{i18n._("of {amount}", { amount: toCents(most) })}</span>}
      </p>
      {most !== null && <Meter used={share(spent, most)} wide />}
      {limit !== null && (
        <p className="soft">
          {limited(toCents(limit))}
          {own !== null && isAbove(own, limit) && ` ${i18n._("Your budget of {amount} is higher and has no effect.", { amount: toCents(own) })}`}
        </p>
      )}
    </div>
  );
}

/** The worse of the two states. */
function headline(day: Budget, month: Budget): string {
  if (isSpent(month)) return i18n._("The monthly budget is spent.");
  if (isSpent(day)) return i18n._("The daily budget is spent.");
  if (day.in_force_usd === null && month.in_force_usd === null) return i18n._("No budget is set.");
  if (month.in_force_usd === null) return i18n._("A daily budget is set.");
  return day.in_force_usd === null ? i18n._("A monthly budget is set.") : i18n._("Daily and monthly budgets are set.");
}

function meaning(day: Budget, month: Budget): string {
  if (isSpent(month)) return i18n._("Requests are refused until the month ends (UTC) or until you raise the budget.");
  if (isSpent(day)) return i18n._("Requests are refused until midnight UTC or until you raise the budget.");
  if (day.in_force_usd === null && month.in_force_usd === null) return i18n._("Requests are limited only by your balance.");
  return i18n._("Requests that exceed the remaining budget are refused.");
}

function isSpent({ in_force_usd: most, spent_usd: spent }: Budget): boolean {
  return most !== null && !isZero(most) && !isAbove(most, spent);
}
