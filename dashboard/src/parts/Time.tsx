// Moments and spans of time, in the reader's language and zone; the exact UTC time is the title.
import { i18n } from "@lingui/core";

type Form = "clock" | "day" | "dayClock" | "moment" | "utcDay" | "utcHour";

const FORMS: Record<Form, Intl.DateTimeFormatOptions> = {
  clock: { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
  day: { day: "numeric", month: "short" },
  dayClock: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  moment: { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  utcDay: { day: "numeric", month: "short", timeZone: "UTC" },
  utcHour: { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: "UTC" },
};

/** clock: 14:02:11 · day: 14 Feb (with the year, if another) · dayClock: 14 Feb, 14:02 · moment: 14 Feb 2027, 09:30 · utcDay, utcHour: of totals, which are by UTC */
export function Time({ at, as }: { at: string; as: Form }) {
  return (
    <time dateTime={at} title={at.replace("T", " ").replace("Z", " UTC")}>
      {showTime(at, as)}
    </time>
  );
}

export function showTime(at: string, as: Form): string {
  const date = new Date(at);
  const year = (as === "day" || as === "utcDay") && date.getFullYear() !== new Date().getFullYear() ? ({ year: "numeric" } as const) : {};
  return new Intl.DateTimeFormat(REGIONS[i18n.locale], { ...FORMS[as], ...year }).format(date);
}

/** "5 days", "3 hours", "12 minutes": what is left until then, rounded up. */
export function timeLeft(until: string, now = Date.now()): string {
  const minutes = Math.max(1, Math.ceil((Date.parse(until) - now) / 60_000));
  if (minutes < 120) return i18n._("{count, plural, one {# minute} other {# minutes}}", { count: minutes });
  const hours = Math.ceil(minutes / 60);
  if (hours < 48) return i18n._("{count, plural, one {# hour} other {# hours}}", { count: hours });
  return i18n._("{count, plural, one {# day} other {# days}}", { count: Math.ceil(minutes / 1440) });
}

/** Whether a moment is on the reader's today. */
export function isToday(at: string): boolean {
  return new Date(at).toDateString() === new Date().toDateString();
}

const REGIONS: Record<string, string> = { en: "en-GB", zh: "zh-CN" };
