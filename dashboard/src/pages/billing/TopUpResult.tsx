// The page that a payer returns to: it waits for the credit and shows the payment's state.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { type ReactNode, useEffect } from "react";
import { Page } from "../../parts/Page.tsx";
import { Await, Empty } from "../../parts/States.tsx";
import { isZero, toCents } from "../../parts/amounts.ts";
import { showTime } from "../../parts/Time.tsx";
import { useScope } from "../../shell/account.tsx";
import { usePageNames } from "../../shell/pageNames.ts";
import style from "./Billing.module.css";
import { inCurrency, methodName } from "./describe.ts";
import { awaitedTopUpQuery, isWaiting, type TopUp } from "./queries.ts";

export function TopUpResult() {
  const { account } = useScope();
  const { topUpId } = useParams({ from: "/shell/billing/top-ups/$topUpId" });
  const topUp = useQuery(awaitedTopUpQuery(account.id, topUpId));
  useFreshBalance(topUp.data);
  return (
    <Page title={i18n._("Top-up")}>
      <div aria-live="polite" className={style.form}>
        <Await query={topUp} rows={3}>
          {(found) => <Outcome of={found} />}
        </Await>
      </div>
    </Page>
  );
}

function Outcome({ of: topUp }: { of: TopUp }) {
  const { account } = useScope();
  const { home } = usePageNames();
  const processor = methodName(topUp.processor);
  const money = inCurrency(topUp.amount, topUp.currency);
  if (topUp.state === "paid")
    return (
      <>
        <p className={`figure ${style.balance}`}>{toCents(topUp.credit_usd, "down")}</p>
        <p className="good strong">{i18n._("is in your balance.")}</p>
        <p className="soft">
          {topUp.pretended ? i18n._("Pretended payment: no money was taken.") : i18n._("You paid {money} with {method}.", { money, method: methodName(topUp.method) })}
        </p>
        {topUp.match && <Match of={topUp.match} />}
        <Actions>
          <Button component={Link} to="/">
            {i18n._("Go to {page}", { page: home })}
          </Button>
          <a href={`/api/accounts/${account.id}/top-ups/${topUp.id}/receipt.pdf`}>{i18n._("Receipt (PDF)")}</a>
        </Actions>
      </>
    );
  if (isWaiting(topUp))
    return (
      <Empty
        title={i18n._("Waiting for {processor}. This page updates itself.", { processor })}
        action={topUp.state === "open" && topUp.url && <a href={topUp.url}>{i18n._("Return to pay {money}", { money })}</a>}
      >
        {topUp.state === "pending"
          ? i18n._("The payment is processing. You can leave this page: your credit is added automatically.")
          : i18n._("Not paid yet. If you left the payment page, you can return to it.")}
      </Empty>
    );
  if (topUp.state === "review")
    return (
      <Empty title={i18n._("We are reviewing this payment.")}>
        {i18n._("The amount paid differs from the amount due. You will get an e-mail; no money is lost.")}
      </Empty>
    );
  return (
    <Empty
      title={topUp.state === "failed" ? i18n._("The payment failed.") : i18n._("The payment window has expired.")}
      action={
        <Button component={Link} to="/billing/top-up">
          {i18n._("Try again")}
        </Button>
      }
    >
      {i18n._("No credit was added.")}
      {topUp.state === "failed" && topUp.fault && ` ${i18n._("The payment service says: {words}", { words: topUp.fault })}`}
    </Empty>
  );
}

/** The match that came with the top-up, and how it unlocks. */
function Match({ of: match }: { of: NonNullable<TopUp["match"]> }) {
  const locked = { locked: toCents(match.locked_usd) };
  return (
    <p>
      <span className="strong">{i18n._("You get a {granted} match with it.", { granted: toCents(match.granted_usd) })}</span>{" "}
      {isZero(match.locked_usd)
        ? i18n._("Fully unlocked.")
        : i18n._("{locked} is locked: one dollar unlocks for each dollar you spend from this top-up.", locked)}{" "}
      {!isZero(match.locked_usd) &&
        match.expires_at !== null &&
        i18n._("Any part still locked on {day} expires.", { day: showTime(match.expires_at, "day") })}
    </p>
  );
}

function Actions({ children }: { children: ReactNode }) {
  return <div className={`row ${style.actions}`}>{children}</div>;
}

/** Reads balance and lots again once it is paid. */
function useFreshBalance(topUp: TopUp | undefined): void {
  const { account } = useScope();
  const client = useQueryClient();
  const paid = topUp?.state === "paid";
  useEffect(() => {
    if (!paid) return;
    for (const what of ["balance", "home", "lots", "top-ups", "ledger", "rewards"])
      void client.invalidateQueries({ queryKey: ["account", account.id, what] });
  }, [paid, client, account.id]);
}
