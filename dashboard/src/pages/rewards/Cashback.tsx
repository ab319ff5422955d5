// Cashback: the next request's rate, how it grows with spending of top-ups, and today's sum.
import { i18n } from "@lingui/core";
import type { Documents } from "../../api/client.ts";
import { isZero, share, toCents, toDigits } from "../../parts/amounts.ts";
import { Meter } from "../../parts/Meter.tsx";
import { Topic } from "../../parts/Topic.tsx";
import style from "./Rewards.module.css";

type CashbackDocument = Documents["CashbackDocument"];

export function Cashback({ cashback }: { cashback: CashbackDocument }) {
  const grows = cashback.step_bp > 0 && cashback.max_bp > cashback.base_bp;
  return (
    <Topic title={i18n._("Cashback")} lead={i18n._("Earned on requests paid from top-ups, and a little on trial credit. Credited as you go; never expires.")}>
      <p className={`figure ${style.part}`}>
        {percent(cashback.rate_bp)} <small>{i18n._("of your next request")}</small>
      </p>
      {grows && <Curve cashback={cashback} />}
      <p className={style.today}>
        {i18n._("{amount} today, UTC", { amount: toCents(cashback.today_usd) })}
        <span className="soft"> {i18n._("of at most {amount} a day", { amount: toDigits(cashback.day_max_usd) })}</span>
      </p>
      {!isZero(cashback.day_max_usd) && <Meter used={share(cashback.today_usd, cashback.day_max_usd)} wide calm />}
      <p className="soft">{i18n._("{amount} total", { amount: toCents(cashback.granted_usd) })}</p>
    </Topic>
  );
}

const WIDTH = 560;
const HEIGHT = 96;
const BASE = 88; // the y of the first rate
const TOP = 16; // the y of the highest rate
const FLAT = 0.8; // the share of the width where the rate stops rising

/** A drawing; the words below it say the same. */
function Curve({ cashback: { base_bp, step_bp, max_bp, rate_bp, spent_usd } }: { cashback: CashbackDocument }) {
  const full = (max_bp - base_bp) / step_bp; // dollars
  const across = Math.min(1, (Number(spent_usd) / full) * FLAT) * WIDTH;
  const up = BASE - ((rate_bp - base_bp) / (max_bp - base_bp)) * (BASE - TOP);
  const bend = FLAT * WIDTH;
  return (
    <figure className={style.curve}>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
        <path className={style.ground} d={`M0 ${HEIGHT}V${BASE}L${bend} ${TOP}H${WIDTH}V${HEIGHT}z`} />
        <path className={style.rate} d={`M0 ${BASE}L${bend} ${TOP}H${WIDTH}`} />
        <path className={style.reached} d={`M${across} ${HEIGHT}V${up}`} />
        <circle className={style.here} cx={Math.max(5, Math.min(WIDTH - 5, across))} cy={up} r="5" />
      </svg>
      <figcaption className="soft small">
        {i18n._("Starts at {base} and rises {step} with each dollar of top-ups you spend, up to {most} at {full}. You have spent {spent}.", {
          base: percent(base_bp),
          step: percent(step_bp),
          most: percent(max_bp),
          full: `$${Math.ceil(full)}`,
          spent: toCents(spent_usd, "down"),
        })}
      </figcaption>
    </figure>
  );
}

function percent(basisPoints: number): string {
  return `${basisPoints / 100}%`;
}
