// A key in words: its state, limits and last use.
import { i18n } from "@lingui/core";
import { isZero, toCents } from "../../parts/amounts.ts";
import { count } from "../../parts/numbers.ts";
import type { Status } from "../../parts/StatusDot.tsx";
import { showTime } from "../../parts/Time.tsx";
import type { Key } from "./queries.ts";

export function isOver(key: Key): boolean {
  return key.revoked_at !== null || (key.expires_at !== null && Date.parse(key.expires_at) <= Date.now());
}

export function keyStatus(key: Key): { status: Status; label: string } {
  if (key.revoked_at !== null) return { status: "off", label: i18n._("revoked") };
  if (isOver(key)) return { status: "off", label: i18n._("expired") };
  return lastUse(key) === null
    ? { status: "waiting", label: i18n._("not used yet") }
    : { status: "good", label: i18n._("active") };
}

export function keyName(key: Key): string {
  return key.name || i18n._("unnamed");
}

/** What stands for "no limit": the balance is the bound. */
export function unlimited(): string {
  return i18n._("Unlimited, bounded by balance");
}

/** The spending limits, widest first. */
export function spendLimits(key: Key): string {
  const limits = [
    key.quota_usd && i18n._("{amount} total", { amount: toCents(key.quota_usd) }),
    key.monthly_usd && i18n._("{amount} a month", { amount: toCents(key.monthly_usd) }),
    key.daily_usd && i18n._("{amount} a day", { amount: toCents(key.daily_usd) }),
  ].filter(Boolean);
  return limits.length === 0 ? unlimited() : limits.join(" · ");
}

/** A spending limit; null and 0 mean none. */
export function limitOf(amount: string | null): string | null {
  return amount === null || isZero(amount) ? null : amount;
}

export function rateLimits(key: Key): string {
  const limits = [
    key.rpm && i18n._("{count} requests a minute", { count: count(key.rpm) }),
    key.tpm && i18n._("{count} tokens a minute", { count: count(key.tpm) }),
    key.concurrency && i18n._("{count} concurrent", { count: count(key.concurrency) }),
  ].filter(Boolean);
  return limits.length === 0 ? i18n._("Same as account") : limits.join(" · ");
}

/** The hour of last use, which totals record slightly later than spending; null if never used. */
function lastUse({ spending }: Key): string | null {
  return spending.used_hour ?? (isZero(spending.life_usd) ? null : new Date().toISOString());
}

/** To the hour, as recorded: "2 hours ago". */
export function lastUsed(key: Key): string {
  const hour = lastUse(key);
  if (hour === null) return i18n._("never");
  const hours = Math.floor((Date.now() - Date.parse(hour)) / 3_600_000);
  const words = new Intl.RelativeTimeFormat(i18n.locale, { numeric: "auto" });
  if (hours < 1) return i18n._("within the hour");
  return hours < 48 ? words.format(-hours, "hour") : words.format(-Math.floor(hours / 24), "day");
}

export function expiry(key: Key): string {
  if (key.expires_at === null) return i18n._("never");
  return showTime(key.expires_at, "moment");
}
