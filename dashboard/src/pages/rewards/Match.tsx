// The match of the first top-up: the offer and its deadline; then how much is unlocked.
import { i18n } from "@lingui/core";
import { Link } from "@tanstack/react-router";
import type { Documents } from "../../api/client.ts";
import { isZero, share, toCents, toDigits } from "../../parts/amounts.ts";
import { Meter } from "../../parts/Meter.tsx";
import { showTime, timeLeft } from "../../parts/Time.tsx";
import { Topic } from "../../parts/Topic.tsx";
import { useRight } from "../../shell/account.tsx";
import style from "./Rewards.module.css";
import { whyRefused } from "./refused.ts";

type MatchDocument = Documents["MatchDocument"];

export function Match({ match }: { match: MatchDocument }) {
  return (
    <Topic title={i18n._("Match")} lead={i18n._("Your first top-up brings extra credit. It unlocks dollar for dollar as you spend that top-up.")}>
      {match.stage === "granted" ? <Progress match={match} /> : <Offer match={match} />}
    </Topic>
  );
}

function Offer({ match }: { match: MatchDocument }) {
  const spends = useRight("spend");
  if (match.stage === "review") return <p>{i18n._("We are reviewing it. You will get an e-mail.")}</p>;
  if (match.stage === "refused") return <p>{i18n._("Not granted: {reason}.", { reason: whyRefused(match) })}</p>;
  if (match.stage === "over")
    return <p className="soft">{i18n._("The offer for first top-ups ended on {day}.", { day: showTime(match.open_until, "day") })}</p>;
  return (
    <>
      <p className="strong">
        {i18n._("We match {percent}% of it, up to {amount}.", { percent: match.share_bp / 100, amount: toDigits(match.max_usd) })}
      </p>
      <p className="soft">
        {i18n._("Your first top-up must be paid by {moment}; {time} left.", {
          time: timeLeft(match.open_until),
          moment: showTime(match.open_until, "moment"),
        })}
      </p>
      {spends && (
        <p className={style.way}>
          <Link to="/billing/top-up">{i18n._("Top up")}</Link>
        </p>
      )}
    </>
  );
}

function Progress({ match }: { match: MatchDocument }) {
  const { granted_usd: granted, unlocked_usd: unlocked, locked_usd: locked, cancelled_usd: cancelled } = match;
  const amounts = { unlocked: toCents(unlocked), granted: toCents(granted), locked: toCents(locked), cancelled: toCents(cancelled) };
  const less = !isZero(locked) && !isZero(cancelled);
  return (
    <>
      <p className={`figure ${style.part}`}>
        {amounts.unlocked} <small>{less ? i18n._("unlocked") : i18n._("of {granted} unlocked", amounts)}</small>
      </p>
      <Meter used={share(unlocked, granted)} wide calm />
      {less && <p className="soft">{i18n._("{cancelled} of {granted} was cancelled because part of its top-up was returned, for example by a refund.", amounts)}</p>}
      {!isZero(locked) && (
        <p className="soft">
          {match.expires_at === null
            ? i18n._("{locked} is still locked.", amounts)
            : i18n._("{locked} is still locked. Any part still locked on {moment} expires; {time} left.", {
                ...amounts,
                time: timeLeft(match.expires_at),
                moment: showTime(match.expires_at, "moment"),
              })}
        </p>
      )}
      {isZero(locked) && <p className="soft">{unlocked === granted ? i18n._("Your match is fully unlocked.") : i18n._("The rest was cancelled with its top-up or has expired.")}</p>}
    </>
  );
}
