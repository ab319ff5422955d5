// Time ranges of usage: whole hours or days (UTC), as totals are recorded.
import { i18n } from "@lingui/core";
import { showTime } from "../../parts/Time.tsx";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export const RANGES = ["24h", "7d", "30d", "90d", "12m"] as const;
export type Range = (typeof RANGES)[number];
export const USUAL: Range = "30d";
export const LONGEST: Range = "12m";

const DAYS: Record<Range, number> = { "24h": 1, "7d": 7, "30d": 30, "90d": 90, "12m": 365 };

export interface Span {
  since: string;
  by: "hour" | "day";
  starts: readonly string[]; // start of each hour or day
}

export function spanOf(range: Range, now = Date.now()): Span {
  const by = range === "24h" ? "hour" : "day";
  const [step, steps] = by === "hour" ? [HOUR_MS, 24] : [DAY_MS, DAYS[range]];
  const first = Math.floor(now / step) * step - (steps - 1) * step;
  const starts = Array.from({ length: steps }, (_, index) => new Date(first + index * step).toISOString());
  return { since: new Date(first).toISOString(), by, starts };
}

/** "28 Nov", "14:00 UTC": an hour or day of the totals, in UTC wherever the reader is. */
export function showStart(start: string, by: Span["by"]): string {
  return by === "day" ? showTime(start, "utcDay") : i18n._("{time} UTC", { time: showTime(start, "utcHour") });
}

/** The same for a start and for the row that has it. */
export function startKey(start: string, by: Span["by"]): string {
  return start.slice(0, by === "day" ? 10 : 13);
}

/** "24 h", "30 d", "12 mo" */
export function rangeLabel(range: Range): string {
  if (range === "24h") return i18n._("24 h");
  if (range === "12m") return i18n._("12 mo");
  return i18n._("{count} d", { count: DAYS[range] });
}

export function rangeName(range: Range): string {
  if (range === "24h") return i18n._("24 hours");
  if (range === "12m") return i18n._("12 months");
  return i18n._("{count, plural, one {# day} other {# days}}", { count: DAYS[range] });
}
