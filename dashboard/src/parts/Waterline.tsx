// The waterline: an account's credit as one bar, in the order in which it is spent, what expires soonest first.
//
// A lot's width is its share of all credit (a width may be a number; money may not). Its held part is hatched; locked credit, which cannot be spent yet, is the
// broken end. A slice marks what one request drew. All of it stands in words too: below the bar, or for screen readers.
import { i18n } from "@lingui/core";
import { isZero, share, toCents } from "./amounts.ts";
import { showTime, timeLeft } from "./Time.tsx";
import style from "./Waterline.module.css";

export interface WaterlineLot {
  id: string;
  pool: string;
  remaining_usd: string;
  held_usd: string;
  restriction: string | null; // why it cannot be spent
  expires_at: string | null;
}

interface Props {
  lots: readonly WaterlineLot[];
  drawn?: readonly string[]; // ids of the lots that a request drew
  labels?: boolean; // false: the bar alone
}

const MOST_LABELS = 5;
const SOON_MS = 14 * 86_400_000;

export function Waterline({ lots, drawn = [], labels = true }: Props) {
  const shown = lots.filter((lot) => !isZero(lot.remaining_usd));
  const more = shown.length - MOST_LABELS;
  if (shown.length === 0) return <div className={style.empty} role="img" aria-label={i18n._("No credit")} />;
  return (
    <div className={style.waterline}>
      <ol className={style.bar} aria-label={i18n._("Credit in the order in which it is spent")}>
        {shown.map((lot) => (
          <Segment key={lot.id} lot={lot} drawn={drawn.includes(lot.id)} />
        ))}
      </ol>
      {labels && (
        <ol className={style.labels} aria-hidden="true">
          {shown.slice(0, MOST_LABELS).map((lot) => (
            <li key={lot.id} style={{ flexGrow: Number(lot.remaining_usd) }}>
              <b>
                <i data-pool={lot.restriction ? "locked" : lot.pool} />
                {toCents(lot.remaining_usd, "down")}
              </b>
              <span>{poolName(lot.pool)}</span>
              <span>{lotEnd(lot)}</span>
            </li>
          ))}
          {more > 0 && <li className={style.more}>{i18n._("{count} more", { count: more })}</li>}
        </ol>
      )}
    </div>
  );
}

function Segment({ lot, drawn }: { lot: WaterlineLot; drawn: boolean }) {
  const held = share(lot.held_usd, lot.remaining_usd);
  const words = `${toCents(lot.remaining_usd, "down")} ${poolName(lot.pool)}, ${lotEnd(lot)}`;
  const holding = isZero(lot.held_usd) ? "" : `; ${i18n._("{amount} held", { amount: toCents(lot.held_usd) })}`;
  return (
    <li className={style.lot} data-pool={lot.restriction ? "locked" : lot.pool} data-drawn={drawn} style={{ flexGrow: Number(lot.remaining_usd) }} title={words + holding}>
      <span className={style.words}>{words + holding}</span>
      {held > 0 && <span className={style.held} style={{ width: `max(3px, ${held * 100}%)` }} />}
    </li>
  );
}

export function poolName(pool: string): string {
  const names: Record<string, string> = {
    trial: i18n._("trial"),
    promo: i18n._("promotional"),
    match: i18n._("match"),
    paid: i18n._("paid"),
    locked: i18n._("match, locked"),
  };
  return names[pool] ?? pool;
}

function lotEnd(lot: WaterlineLot): string {
  if (lot.restriction === "payout") return i18n._("on its way out");
  if (lot.restriction !== null) return i18n._("unlocks as you spend");
  if (lot.expires_at === null) return i18n._("never expires");
  const soon = Date.parse(lot.expires_at) - Date.now() < SOON_MS;
  return soon
    ? i18n._("{time} left", { time: timeLeft(lot.expires_at) })
    : i18n._("until {day}", { day: showTime(lot.expires_at, "day") });
}
