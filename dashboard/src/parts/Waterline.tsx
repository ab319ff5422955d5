// The waterline: an account's credit as one bar, in spending order, the soonest to expire first.
//
// A lot's width is its share of all credit (a width may be a number; money may not). Its held part is hatched; locked credit, which cannot be spent yet, is the
// broken end. A mark stands where one request drew; what a refund takes is hollow, at the end of its lot. All of it stands in words too: below the bar, or for screen readers.
import { i18n } from "@lingui/core";
import { growth, isZero, share, toCents } from "./amounts.ts";
import { isToday, showTime, timeLeft } from "./Time.tsx";
import style from "./Waterline.module.css";

export interface WaterlineLot {
  id: string;
  more: readonly string[]; // ids of similar neighbouring lots, drawn as one with it
  pool: string;
  remaining_usd: string;
  held_usd: string;
  restriction: string | null; // why it cannot be spent
  expires_at: string | null;
}

/** The part of a lot that is about to be removed; of its locked part, if it is restricted. */
export interface LeavingCredit {
  lot: string;
  usd: string;
  restriction: string | null;
}

interface Props {
  lots: readonly WaterlineLot[];
  drawn?: readonly string[]; // ids of the lots that a request drew
  leaving?: readonly LeavingCredit[];
  labels?: boolean; // false: the bar alone
}

const MOST_LABELS = 5;
const SOON_MS = 14 * 86_400_000;

export function Waterline({ lots, drawn = [], leaving = [], labels = true }: Props) {
  const shown = lots.filter((lot) => !isZero(lot.remaining_usd));
  const labelled = largest(shown);
  const more = shown.length - labelled.length;
  if (shown.length === 0)
    return (
      <>
        <div className={style.empty} role="img" aria-label={i18n._("No credit")} />
        {labels && <p className="soft small">{i18n._("Your credit appears here as one line, in spending order from the left.")}</p>}
      </>
    );
  return (
    <div className={style.waterline}>
      <ol className={style.bar} aria-label={i18n._("Credit in spending order")}>
        {shown.map((lot) => (
          <Segment
            key={lotKey(lot)}
            lot={lot}
            drawn={[lot.id, ...lot.more].some((id) => drawn.includes(id))}
            leaving={leaving.filter((each) => each.restriction === lot.restriction && [lot.id, ...lot.more].includes(each.lot))}
          />
        ))}
      </ol>
      {labels && (
        <ol className={style.labels} aria-hidden="true">
          {labelled.map((lot) => (
            <li key={lotKey(lot)} style={{ flexGrow: growth(lot.remaining_usd) }}>
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

/** The largest lots, in the line's order. */
function largest(lots: readonly WaterlineLot[]): readonly WaterlineLot[] {
  const least = lots.map((lot) => Number(lot.remaining_usd)).toSorted((one, other) => other - one)[MOST_LABELS - 1] ?? 0;
  return lots.filter((lot) => Number(lot.remaining_usd) >= least).slice(0, MOST_LABELS);
}

/** An unlocking match is on the line twice: its spendable part, and the rest. */
export function lotKey(lot: Pick<WaterlineLot, "id" | "restriction">): string {
  return `${lot.id} ${lot.restriction}`;
}

function Segment({ lot, drawn, leaving }: { lot: WaterlineLot; drawn: boolean; leaving: readonly LeavingCredit[] }) {
  const held = share(lot.held_usd, lot.remaining_usd);
  const words = `${toCents(lot.remaining_usd, "down")} ${poolName(lot.pool)}, ${lotEnd(lot)}`;
  const holding = isZero(lot.held_usd) ? "" : `; ${i18n._("{amount} held", { amount: toCents(lot.held_usd) })}`;
  const gone = leaving.map(({ usd }) => `; ${i18n._("{amount} to be removed", { amount: toCents(usd) })}`).join("");
  const part = leaving.reduce((sum, { usd }) => sum + share(usd, lot.remaining_usd), 0); // a width, not money
  return (
    <li
      className={style.lot}
      data-pool={lot.restriction ? "locked" : lot.pool}
      data-drawn={drawn}
      style={{ flexGrow: growth(lot.remaining_usd) }}
      title={words + holding + gone}
    >
      <span className={style.words}>{words + holding + gone}</span>
      {part > 0 && <span className={style.leaving} style={{ width: `max(3px, ${Math.min(1, part) * 100}%)` }} />}
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
  if (lot.restriction === "payout") return i18n._("being withdrawn");
  if (lot.restriction !== null) return i18n._("unlocks as you spend");
  if (lot.expires_at === null) return i18n._("never expires");
  if (isToday(lot.expires_at)) return i18n._("expires today");
  const soon = Date.parse(lot.expires_at) - Date.now() < SOON_MS;
  return soon
    ? i18n._("{time} left", { time: timeLeft(lot.expires_at) })
    : i18n._("until {day}", { day: showTime(lot.expires_at, "day") });
}
