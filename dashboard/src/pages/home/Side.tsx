// Beside the calls: today's spend, and what there is to know or to claim.
import { i18n } from "@lingui/core";
import type { Documents } from "../../api/client.ts";
import { isZero, share, toCents, toDigits } from "../../parts/amounts.ts";
import { Money } from "../../parts/Money.tsx";
import { showTime, Time, timeLeft } from "../../parts/Time.tsx";
import { useRight } from "../../shell/account.tsx";
import { Claim } from "./Claim.tsx";
import style from "./Home.module.css";

export function Side({ home }: { home: Documents["HomeDocument"] }) {
  const spends = useRight("spend");
  const { welcome, match } = home.rewards;
  return (
    <aside className={style.side}>
      <Spent spending={home.spending} />
      {welcome.stage === "open" && spends && (
        <section>
          <h2>{i18n._("A gift for you")}</h2>
          {welcome.open_until && (
            <p className="soft">{i18n._("{time} left to claim it.", { time: timeLeft(welcome.open_until) })}</p>
          )}
          <Claim welcome={welcome} />
        </section>
      )}
      <MatchProgress match={match} />
      {home.notices.map((notice) => (
        <section key={notice.id}>
          <h2>{notice.subject}</h2>
          <p className="soft">
            <Time at={notice.at} as="moment" />
          </p>
        </section>
      ))}
    </aside>
  );
}

function Spent({ spending }: { spending: Documents["SpendingDocument"] }) {
  const { day_usd: spent, daily_budget_usd: budget } = spending;
  const used = budget === null ? 0 : share(spent, budget);
  return (
    <section>
      <p className="soft">{i18n._("Spent today, UTC")}</p>
      <p className={`figure ${style.spent}`}>
        <Money usd={spent} />{" "}
        {budget !== null && <small>{i18n._("of {amount} a day", { amount: toCents(budget) })}</small>}
      </p>
      {budget !== null && (
        <div className={style.meter} data-full={used >= 1}>
          <span style={{ width: `${used * 100}%` }} />
        </div>
      )}
      <p className="soft">{i18n._("{amount} this month", { amount: toCents(spending.month_usd) })}</p>
    </section>
  );
}

/** The offer while it stands; then how much of it is unlocked, and until when. */
function MatchProgress({ match }: { match: Documents["MatchDocument"] }) {
  if (match.stage === "open")
    return (
      <section>
        <h2>{i18n._("Your first top-up counts double")}</h2>
        <p className="soft">
          {i18n._("We match {percent}% of it, up to {amount}. {time} left.", {
            percent: match.share_bp / 100,
            amount: toDigits(match.max_usd),
            time: timeLeft(match.open_until),
          })}
        </p>
      </section>
    );
  if (match.stage !== "granted" || isZero(match.locked_usd)) return null;
  return (
    <section>
      <h2>{i18n._("Match")}</h2>
      <div className={style.meter}>
        <span style={{ width: `${share(match.unlocked_usd, match.granted_usd) * 100}%` }} />
      </div>
      <p className="soft">
        {i18n._("{unlocked} of {granted} unlocked. The rest unlocks dollar for dollar as you spend your top-up.", {
          unlocked: toCents(match.unlocked_usd),
          granted: toCents(match.granted_usd),
        })}{" "}
        {match.expires_at && i18n._("It ends on {day}.", { day: showTime(match.expires_at, "day") })}
      </p>
    </section>
  );
}
