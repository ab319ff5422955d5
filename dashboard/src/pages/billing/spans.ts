// Spans of statements: a month or a range of whole days, in UTC.

export type Month = `${number}-${number}`;

export interface StatementSearch {
  month?: Month | undefined;
  from?: string | undefined; // the first day
  to?: string | undefined; // the last one
}

const DAY_MS = 86_400_000;
const MOST_MONTHS = 24;
const DAY = /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/;
const MONTH = /^\d{4}-(0[1-9]|1[0-2])$/;

export function thisMonth(now = new Date()): Month {
  return now.toISOString().slice(0, 7) as Month;
}

/** Latest first. */
export function months(now = new Date()): Month[] {
  return Array.from({ length: MOST_MONTHS }, (_, back) => thisMonth(new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back))));
}

/** From the start of the first day to the start of the day after the last; null if it ends before it starts. */
export function spanOf({ month, from, to }: StatementSearch): { since: string; until: string } | null {
  if (from !== undefined) {
    const last = to ?? from;
    return last < from ? null : { since: startOf(from), until: dayAfter(last) };
  }
  const first = month ?? thisMonth();
  const [year = 0, number = 0] = first.split("-").map(Number);
  return { since: startOf(`${first}-01`), until: startOf(new Date(Date.UTC(year, number)).toISOString().slice(0, 10)) };
}

/** The last whole day before a span's end. */
export function lastDay(until: string): string {
  return new Date(Date.parse(until) - DAY_MS).toISOString().slice(0, 10);
}

/** The span in the page's address, if it has a month or days. */
export function readSearch({ month, from, to }: Record<string, unknown>): StatementSearch {
  if (isDay(from)) return { from, to: isDay(to) ? to : from };
  return typeof month === "string" && MONTH.test(month) ? { month: month as Month } : {};
}

function isDay(value: unknown): value is string {
  return typeof value === "string" && DAY.test(value) && !Number.isNaN(Date.parse(value));
}

function dayAfter(day: string): string {
  return startOf(new Date(Date.parse(day) + DAY_MS).toISOString().slice(0, 10));
}

function startOf(day: string): string {
  return `${day}T00:00:00Z`;
}
