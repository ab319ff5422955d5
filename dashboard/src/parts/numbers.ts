// Counts and durations as text.
import { i18n } from "@lingui/core";

/** 12,481 */
export function count(value: number): string {
  return new Intl.NumberFormat(i18n.locale).format(value);
}

/** 38.2M: for places without room, or need, for all digits. */
export function compact(value: number): string {
  return new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(value);
}

/** 412 ms, 1.84 s */
export function duration(ms: number): { value: string; unit: "ms" | "s" } {
  return ms < 1000 ? { value: String(ms), unit: "ms" } : { value: (ms / 1000).toFixed(2), unit: "s" };
}
