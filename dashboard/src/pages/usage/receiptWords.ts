// Names, prices and outcomes as a receipt says them.
import { i18n } from "@lingui/core";
import type { Documents } from "../../api/client.ts";
import { toDigits } from "../../parts/amounts.ts";
import { duration } from "../../parts/numbers.ts";

type Line = Documents["ReceiptLine"];

const PIECES = new Set(["images_out", "seconds", "web_searches", "tool_uses", "search_units"]); // priced each; the rest by the million

export function unitName(unit: string): string {
  const names: Record<string, string> = {
    input: i18n._("Input"),
    cache_read: i18n._("Cache read"),
    cache_write_5m: i18n._("Cache write"),
    cache_write_1h: i18n._("Cache write, 1 h"),
    output: i18n._("Output"),
    reasoning: i18n._("Reasoning"),
    audio_in: i18n._("Audio in"),
    audio_out: i18n._("Audio out"),
    image_in: i18n._("Image in"),
    images_out: i18n._("Images"),
    seconds: i18n._("Seconds"),
    web_searches: i18n._("Web searches"),
    tool_uses: i18n._("Tool uses"),
    characters: i18n._("Characters"),
    search_units: i18n._("Search units"),
  };
  return names[unit] ?? unit;
}

/** "$3.00/M", "$0.04 each" */
export function priceOf(line: Line): string {
  const each = BigInt(line.pico_usd_each);
  if (PIECES.has(line.unit)) return i18n._("{price} each", { price: toDigits(fromPico(each)) });
  const [whole = "", fraction = ""] = toDigits(fromPico(each * 1_000_000n)).split(".");
  return `${whole}.${fraction.padEnd(2, "0")}/M`;
}

/** In all its digits, which may be three more than those of what is charged. */
export function costOf(line: Line): string {
  return toDigits(fromPico(BigInt(line.pico_usd)));
}

function fromPico(pico: bigint): string {
  const digits = pico.toString().padStart(13, "0");
  return `${digits.slice(0, -12)}.${digits.slice(-12)}`;
}

export function showDuration(ms: number): string {
  const { value, unit } = duration(ms);
  return `${value} ${unit}`;
}

export function attemptOutcome({ outcome, status }: Documents["ReceiptAttempt"]): { served: boolean; text: string } {
  if (outcome === "ok") return { served: true, text: i18n._("served") };
  const text = failureName(outcome);
  return { served: false, text: status === null ? text : `${text}, ${status}` };
}

function failureName(outcome: string): string {
  const names: Record<string, string> = {
    hung_up: i18n._("the client left"),
    request: i18n._("refused the request"),
    context: i18n._("input too long"),
    credential: i18n._("refused our account"),
    not_found: i18n._("not found"),
    rate_limit: i18n._("rate limited"),
    overloaded: i18n._("overloaded"),
    server: i18n._("failed"),
    connect: i18n._("no connection"),
    timeout: i18n._("too slow"),
    broken: i18n._("broke off"),
    garbage: i18n._("unreadable answer"),
    overlong: i18n._("answer too long, cut"),
  };
  return names[outcome] ?? outcome;
}
