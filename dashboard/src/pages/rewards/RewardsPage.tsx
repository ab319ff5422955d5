// Rewards: what the account got and can still get, as far as the edition offers them.
import { i18n } from "@lingui/core";
import { useQuery } from "@tanstack/react-query";
import type { Documents } from "../../api/client.ts";
import { editionQuery } from "../../api/queries.ts";
import { isZero, share, toCents, toDigits } from "../../parts/amounts.ts";
import { Meter } from "../../parts/Meter.tsx";
import { Money } from "../../parts/Money.tsx";
import { Page } from "../../parts/Page.tsx";
import { Await, Empty } from "../../parts/States.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import { Cashback } from "./Cashback.tsx";
import { Gift } from "./Gift.tsx";
import { Match } from "./Match.tsx";
import { rewardsQuery } from "./queries.ts";
import { RedeemCode } from "./RedeemCode.tsx";
import { Referrals } from "./Referrals.tsx";
import style from "./Rewards.module.css";

export function RewardsPage() {
  const { account } = useScope();
  const rewards = useQuery(rewardsQuery(account.id));
  return (
    <Page title={i18n._("Rewards")}>
      <Await query={rewards} rows={10}>
        {(all) => <Rewards all={all} />}
      </Await>
    </Page>
  );
}

function Rewards({ all }: { all: Documents["RewardsDocument"] }) {
  const { data: edition } = useQuery(editionQuery);
  const spends = useRight("spend");
  const codes = edition?.codes === true && spends;
  if (isZero(all.life_max_usd) && isZero(all.life_granted_usd) && !codes)
    return <Empty title={i18n._("No rewards are offered here.")}>{i18n._("You only spend credit that you top up.")}</Empty>;
  return (
    <>
      {!isZero(all.life_max_usd) && <Given granted={all.life_granted_usd} most={all.life_max_usd} />}
      {all.welcome.stage !== "none" && <Gift welcome={all.welcome} />}
      {all.match.stage !== "none" && <Match match={all.match} />}
      {all.cashback.max_bp > 0 && <Cashback cashback={all.cashback} />}
      {(!isZero(all.referral.reward_usd) || all.referral.referrals.length > 0) && <Referrals referral={all.referral} />}
      {codes && <RedeemCode />}
    </>
  );
}

/** All rewards so far, of the lifetime cap. */
function Given({ granted, most }: { granted: string; most: string }) {
  return (
    <section className={style.given} aria-label={i18n._("Granted to you so far")}>
      <p className="soft">{i18n._("Granted to you so far")}</p>
      <p className={`figure ${style.sum}`}>
        <Money usd={granted} /> <small>{i18n._("of {amount} lifetime cap", { amount: toDigits(most) })}</small>
      </p>
      <Meter used={share(granted, most)} wide calm />
      {toCents(granted) === toCents(most) && <p>{i18n._("Lifetime cap reached. From now on, only top-ups add credit.")}</p>}
    </section>
  );
}
