// Home: balance, spending and latest requests. Until the first request: how to send one.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useCallback, useRef } from "react";
import type { Documents } from "../../api/client.ts";
import { useLiveEvent } from "../../api/live.ts";
import { balanceQuery } from "../../api/queries.ts";
import { isZero, toDigits } from "../../parts/amounts.ts";
import { Balance, Money } from "../../parts/Money.tsx";
import { Owed, owes } from "../../parts/Owed.tsx";
import { Page } from "../../parts/Page.tsx";
import { Await, Loading } from "../../parts/States.tsx";
import { showTime } from "../../parts/Time.tsx";
import { Waterline } from "../../parts/Waterline.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import { usePageNames } from "../../shell/pageNames.ts";
import style from "./Home.module.css";
import { LatestCalls } from "./LatestCalls.tsx";
import { homeQuery } from "./queries.ts";
import { Side } from "./Side.tsx";

// Loaded until the first request only: it has forms that Home does not need later.
const FirstSteps = lazy(async () => ({ default: (await import("./FirstSteps.tsx")).FirstSteps }));

const REFRESH_MS = 1000; // at most once in this time

export function HomePage() {
  const { account } = useScope();
  const home = useQuery(homeQuery(account.id));
  useRefresh(account.id);
  return (
    <Page title={usePageNames().home} quiet>
      <Await query={home} rows={10}>
        {(data) => (
          <>
            <Credit home={data} />
            {data.first_steps.has_called ? (
              <div className={style.columns}>
                <LatestCalls requests={data.requests} />
                <Side home={data} />
              </div>
            ) : (
              <Suspense fallback={<Loading rows={4} />}>
                <FirstSteps home={data} />
              </Suspense>
            )}
          </>
        )}
      </Await>
    </Page>
  );
}

/** The balance, and the waterline of its lots. */
function Credit({ home }: { home: Documents["HomeDocument"] }) {
  const { account } = useScope();
  const { data: balance = home.balance } = useQuery(balanceQuery(account.id));
  const spends = useRight("spend");
  return (
    <section aria-label={i18n._("Balance")}>
      <div className={style.credit}>
        <div>
          <p className="soft">{i18n._("Balance")}</p>
          <p className={`figure ${style.balance}`}>
            <Balance usd={balance.balance_usd} />
          </p>
        </div>
        {spends && (
          <Button component="a" href="/dashboard/billing/top-up" className="push" variant={home.first_steps.has_called ? "filled" : "default"}>
            {i18n._("Top up")}
          </Button>
        )}
      </div>
      <div className={`soft ${style.held}`}>
        {!isZero(balance.held_usd) && (
          <p>
            <Money usd={balance.held_usd} /> {i18n._("more is held for open requests")}
          </p>
        )}
        <Stopped home={home} balance={balance} />
      </div>
      <Waterline lots={home.lots} />
    </section>
  );
}

/** Why requests are refused, if they are, and what to do. Until the first request, the steps say it. */
function Stopped({ home, balance }: { home: Documents["HomeDocument"]; balance: Documents["BalanceDocument"] }) {
  const { welcome } = home.rewards;
  if (owes(balance)) return <Owed balance={balance} />;
  const spent = isZero(balance.balance_usd) && isZero(balance.held_usd);
  const { stage, expires_at, usd } = welcome;
  if (stage === "granted" && expires_at !== null && Date.parse(expires_at) <= Date.now() && !home.first_steps.topped_up)
    return (
      <p role="status">
        <span className="strong">{i18n._("Your trial of {amount} ended on {day}.", { amount: toDigits(usd), day: showTime(expires_at, "day") })}</span>{" "}
        {spent
          ? i18n._("Top up to send requests again. Your keys and records are kept.")
          : i18n._("When the rest is spent, top up to continue.")}
      </p>
    );
  if (!spent || stage === "open" || !home.first_steps.has_called) return null;
  return (
    <p role="status">
      <span className="strong">{i18n._("No credit left.")}</span> {i18n._("Requests are refused until you top up.")}
    </p>
  );
}

/** Reads Home again when a request has ended: at once, then at most once a second. */
function useRefresh(account: string): void {
  const { live } = useScope();
  const client = useQueryClient();
  const next = useRef(0);
  const timer = useRef(0);
  const refresh = useCallback(() => {
    clearTimeout(timer.current);
    const wait = Math.max(0, next.current - Date.now());
    timer.current = window.setTimeout(() => {
      next.current = Date.now() + REFRESH_MS;
      void client.invalidateQueries({ queryKey: homeQuery(account).queryKey });
    }, wait);
  }, [client, account]);
  useLiveEvent(live, "request", refresh);
}
