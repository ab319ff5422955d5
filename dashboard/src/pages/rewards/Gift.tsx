// The welcome gift: until when it can be claimed, or when it expires.
import { i18n } from "@lingui/core";
import { useQuery } from "@tanstack/react-query";
import type { Documents } from "../../api/client.ts";
import { balanceQuery } from "../../api/queries.ts";
import { toCents } from "../../parts/amounts.ts";
import { Claim } from "../../parts/Claim.tsx";
import { owes } from "../../parts/Owed.tsx";
import { showTime, timeLeft } from "../../parts/Time.tsx";
import { Topic } from "../../parts/Topic.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import { whyRefused } from "./refused.ts";

type Welcome = Documents["WelcomeDocument"];

export function Gift({ welcome }: { welcome: Welcome }) {
  return (
    <Topic title={i18n._("Welcome gift")} lead={i18n._("Once per account. Spent before your paid credit.")}>
      {welcome.stage === "open" ? <Open welcome={welcome} /> : <Standing welcome={welcome} />}
    </Topic>
  );
}

function Open({ welcome }: { welcome: Welcome }) {
  const { account } = useScope();
  const { data: balance } = useQuery(balanceQuery(account.id));
  const owing = balance !== undefined && owes(balance);
  const spends = useRight("spend");
  return (
    <>
      {welcome.open_until && (
        <p>
          {i18n._("Claim it by {moment}; {time} left.", {
            time: timeLeft(welcome.open_until),
            moment: showTime(welcome.open_until, "moment"),
          })}
        </p>
      )}
      {owing ? (
        <p className="soft">{i18n._("Pay your debt to claim it.")}</p>
      ) : spends ? (
        <Claim welcome={welcome} />
      ) : (
        <p className="soft">{i18n._("Members who can spend can claim this.")}</p>
      )}
    </>
  );
}

function Standing({ welcome }: { welcome: Welcome }) {
  const { stage, expires_at } = welcome;
  if (stage === "review") return <p>{i18n._("We are reviewing it. You will get an e-mail.")}</p>;
  if (stage === "refused") return <p>{i18n._("Not granted: {reason}.", { reason: whyRefused(welcome) })}</p>;
  if (stage === "over" && welcome.open_until)
    return <p className="soft">{i18n._("The offer ended on {day}.", { day: showTime(welcome.open_until, "day") })}</p>;
  const over = expires_at !== null && Date.parse(expires_at) <= Date.now();
  return (
    <>
      <p className="strong">{i18n._("{amount} claimed", { amount: toCents(welcome.usd) })}</p>
      {expires_at !== null && (
        <p className="soft">
          {over
            ? i18n._("Expired on {day}.", { day: showTime(expires_at, "day") })
            : i18n._("Unspent credit expires {moment}; {time} left.", { time: timeLeft(expires_at), moment: showTime(expires_at, "moment") })}
        </p>
      )}
    </>
  );
}
