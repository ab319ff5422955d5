// Home: what there is, what was spent, what was just called. Until the first call: how to make it.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useCallback, useRef } from "react";
import type { Documents } from "../../api/client.ts";
import { useLiveEvent } from "../../api/live.ts";
import { balanceQuery } from "../../api/queries.ts";
import { isZero } from "../../parts/amounts.ts";
import { Balance, Money } from "../../parts/Money.tsx";
import { Page } from "../../parts/Page.tsx";
import { Await, Loading } from "../../parts/States.tsx";
import { Waterline } from "../../parts/Waterline.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import { isBuilt } from "../../shell/navigation.ts";
import style from "./Home.module.css";
import { LatestCalls } from "./LatestCalls.tsx";
import { homeQuery } from "./queries.ts";
import { Side } from "./Side.tsx";

// Of the first day only: it has forms that Home does not need later.
const FirstSteps = lazy(async () => ({ default: (await import("./FirstSteps.tsx")).FirstSteps }));

const REFRESH_MS = 1000; // at most so often, however many calls come

export function HomePage() {
  const { account } = useScope();
  const home = useQuery(homeQuery(account.id));
  useRefresh(account.id);
  return (
    <Page title={i18n._("Home")} quiet>
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

/** The figure that people come for, and the line of what it is made of. */
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
        {spends && isBuilt("/billing") && (
          <Button component="a" href="/dashboard/billing/top-up" className="push">
            {i18n._("Top up")}
          </Button>
        )}
      </div>
      <p className={`soft ${style.held}`}>
        {!isZero(balance.held_usd) && (
          <>
            <Money usd={balance.held_usd} /> {i18n._("more is held for open calls")}
          </>
        )}
      </p>
      <Waterline lots={home.lots} />
    </section>
  );
}

/** Asks again when a call has ended: at once, then at most once a second. */
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
