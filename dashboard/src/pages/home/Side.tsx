// Beside the requests: today's spending, offers and recent alerts.
import { i18n } from "@lingui/core";
import { Link } from "@tanstack/react-router";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import type { Documents } from "../../api/client.ts";
import { isZero, share, toCents, toDigits } from "../../parts/amounts.ts";
import { Meter } from "../../parts/Meter.tsx";
import { Money } from "../../parts/Money.tsx";
import { noticeTitle } from "../../parts/notices.ts";
import { owes } from "../../parts/Owed.tsx";
import { hasSaved, savedLayers } from "../../parts/Saved.tsx";
import { showTime, Time, timeLeft } from "../../parts/Time.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import style from "./Home.module.css";
import { savedQuery } from "./queries.ts";

// Loaded while there is a gift to claim: it has a form that Home does not need later.
const Claim = lazy(async () => ({ default: (await import("../../parts/Claim.tsx")).Claim }));

const LATE_MS = 30 * 86_400_000;

export function Side({ home }: { home: Documents["HomeDocument"] }) {
  const spends = useRight("spend");
  const { welcome, match } = home.rewards;
  return (
    <aside className={style.side}>
      <Spent spending={home.spending} />
      <SavedThisMonth />
      {welcome.stage === "open" && spends && !owes(home.balance) && (
        <section>
          <h2>{i18n._("A gift for you")}</h2>
          {welcome.open_until && (
            <p className="soft">
              {i18n._("Claim it by {moment}; {time} left.", { moment: showTime(welcome.open_until, "moment"), time: timeLeft(welcome.open_until) })}
            </p>
          )}
          <Suspense>
            <Claim welcome={welcome} aside />
          </Suspense>
        </section>
      )}
      <MatchProgress match={match} />
      <RecentAlerts notices={home.notices} />
    </aside>
  );
}

/** Recent alerts of the account. */
function RecentAlerts({ notices }: { notices: readonly Documents["NoticeDocument"][] }) {
  const late = notices.filter((notice) => Date.now() - Date.parse(notice.at) < LATE_MS);
  if (late.length === 0) return null;
  return (
    <section>
      <h2>{i18n._("Alerts")}</h2>
      <ul className={style.told}>
        {late.map((notice) => (
          <li key={notice.id}>
            <span>{noticeTitle(notice)}</span>
            <span className="soft">
              <Time at={notice.at} as="day" />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Spent({ spending }: { spending: Documents["SpendingDocument"] }) {
  const { day_usd: spent, daily_budget_usd: budget, monthly_budget_usd: monthly } = spending;
  const spends = useRight("spend");
  const used = budget === null ? 0 : share(spent, budget);
  return (
    <section>
      <p className="soft">{i18n._("Spent today, UTC")}</p>
      <p className={`figure ${style.spent}`}>
        <Money usd={spent} />{" "}
        {budget !== null && <small>{i18n._("of {amount} a day", { amount: toCents(budget) })}</small>}
      </p>
      {budget !== null && <Meter used={used} wide />}
      {used >= 1 && <p className="bad">{i18n._("The daily budget is spent. Requests are refused until midnight UTC.")}</p>}
      <p className="soft">
        {monthly === null
          ? i18n._("{amount} this month", { amount: toCents(spending.month_usd) })
          : i18n._("{amount} of {budget} this month", { amount: toCents(spending.month_usd), budget: toCents(monthly) })}{" "}
        {(spends || budget !== null || monthly !== null) && (
          <Link to="/billing/budgets">{budget === null && monthly === null ? i18n._("Set a budget") : i18n._("Budgets")}</Link>
        )}
      </p>
    </section>
  );
}

function SavedThisMonth() {
  const { account } = useScope();
  const { data: saved } = useQuery(savedQuery(account.id));
  if (!saved || !hasSaved(saved)) return null;
  return (
    <section>
      <p>
        <span className="soft">{i18n._("Saved this month")}</span> <span className="strong"><Money usd={saved.total_usd} /></span>
      </p>
      <p className="soft small">{savedLayers(saved)}</p>
    </section>
  );
}

/** The match offer while it lasts; then how much is unlocked, and until when. */
function MatchProgress({ match }: { match: Documents["MatchDocument"] }) {
  if (match.stage === "open")
    return (
      <section>
        <h2>{match.share_bp === 10_000 ? i18n._("Your first top-up counts double") : i18n._("Your first top-up is matched")}</h2>
        <p className="soft">
          {i18n._("We match {percent}% of it, up to {amount}. {time} left.", {
            percent: match.share_bp / 100,
            amount: toDigits(match.max_usd),
            time: timeLeft(match.open_until),
          })}{" "}
          <Link to="/rewards">{i18n._("How it works")}</Link>
        </p>
      </section>
    );
  if (match.stage !== "granted" || isZero(match.locked_usd)) return null;
  return (
    <section>
      <h2>{i18n._("Match")}</h2>
      <Meter used={share(match.unlocked_usd, match.granted_usd)} wide calm />
      <p className="soft">
        {unlockedSoFar(match)}{" "}
        {match.expires_at && i18n._("The locked part expires on {day}.", { day: showTime(match.expires_at, "day") })}{" "}
        <Link to="/rewards">{i18n._("How it works")}</Link>
      </p>
    </section>
  );
}

function unlockedSoFar(match: Documents["MatchDocument"]): string {
  const amounts = {
    unlocked: toCents(match.unlocked_usd),
    granted: toCents(match.granted_usd),
    locked: toCents(match.locked_usd),
    cancelled: toCents(match.cancelled_usd),
  };
  return isZero(match.cancelled_usd)
    ? i18n._("{unlocked} of {granted} unlocked. The rest unlocks dollar for dollar as you spend your top-up.", amounts)
    : i18n._("{unlocked} unlocked, {locked} still locked, {cancelled} cancelled because part of the top-up was returned. The locked part unlocks dollar for dollar as you spend your top-up.", amounts);
}
