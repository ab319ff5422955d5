// The account's referral link, and the state of each sign-up with it.
import { i18n } from "@lingui/core";
import { useQuery } from "@tanstack/react-query";
import type { Documents } from "../../api/client.ts";
import { editionQuery } from "../../api/queries.ts";
import { isZero, toCents, toDigits } from "../../parts/amounts.ts";
import { Code } from "../../parts/Code.tsx";
import { type Column, DataTable } from "../../parts/DataTable.tsx";
import { type Status, StatusDot } from "../../parts/StatusDot.tsx";
import { Time } from "../../parts/Time.tsx";
import { Topic } from "../../parts/Topic.tsx";
import style from "./Rewards.module.css";

type Referral = Documents["ReferralDocument"];

export function Referrals({ referral }: { referral: Documents["ReferralsDocument"] }) {
  const { data: edition } = useQuery(editionQuery);
  const reward = toDigits(referral.reward_usd);
  const link = edition?.has_sign_up === false ? referral.code : referral.url;
  return (
    <Topic
      title={i18n._("Referrals")}
      lead={i18n._("{reward} for each account that signs up with your link and makes a paid request.", { reward })}
    >
      <Code text={link} label={i18n._("Your referral link")} />
      {referral.referrals.length === 0 ? (
        <p className={`soft ${style.way}`}>{i18n._("No sign-ups yet. Share your link with people who build with models.")}</p>
      ) : (
        <div className={style.way}>
          <DataTable label={i18n._("Sign-ups with your link")} rows={referral.referrals.toReversed()} columns={columns()} rowKey={(each) => each.account} />
          {!isZero(referral.granted_usd) && (
            <p className={style.way}>{i18n._("{amount} earned in total", { amount: toCents(referral.granted_usd) })}</p>
          )}
        </div>
      )}
    </Topic>
  );
}

function columns(): Column<Referral>[] {
  return [
    { id: "state", head: i18n._("State"), wide: true, cell: (each) => <State of={each} /> },
    { id: "account", head: i18n._("Account"), narrow: "tablet", cell: (each) => <span className="mono soft">…{each.account.slice(-8)}</span> },
    { id: "at", head: i18n._("Signed up"), align: "end", cell: (each) => <Time at={each.signed_up_at} as="day" /> },
  ];
}

function State({ of: referral }: { of: Referral }) {
  const { status, words } = stateOf(referral);
  return (
    <>
      <StatusDot status={status} label="" />
      {words}
    </>
  );
}

function stateOf({ state, active, paid }: Referral): { status: Status; words: string } {
  if (state === "granted") return { status: "good", words: i18n._("rewarded") };
  if (state === "review") return { status: "waiting", words: i18n._("in review") };
  if (state === "refused") return { status: "off", words: i18n._("does not count: same person") };
  if (!active) return { status: "off", words: i18n._("no paid requests yet") };
  return { status: "waiting", words: paid ? i18n._("processing") : i18n._("awaiting their first top-up") };
}
