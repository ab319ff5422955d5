// Names, prices and outcomes in a receipt.
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

/** In all its digits, up to three more than a charge has. */
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
    hung_up: i18n._("client disconnected"),
    request: i18n._("rejected the request"),
    context: i18n._("input too long"),
    credential: i18n._("rejected our credential"),
    not_found: i18n._("not found"),
    rate_limit: i18n._("rate limited"),
    overloaded: i18n._("overloaded"),
    server: i18n._("failed"),
    connect: i18n._("no connection"),
    timeout: i18n._("timed out"),
    broken: i18n._("interrupted"),
    garbage: i18n._("unreadable answer"),
    overlong: i18n._("answer too long, truncated"),
  };
  return names[outcome] ?? outcome;
}

export function notAskedReason({ code, field }: Documents["ReceiptCandidate"]): string {
  const reasons: Record<Documents["ReceiptCandidate"]["code"], string> = {
    unavailable: i18n._("not configured here"),
    plan: i18n._("not in your plan"),
    key: i18n._("blocked by this key's rules"),
    pinned: i18n._("not in the request's list of providers"),
    ignored: i18n._("excluded by the request"),
    region: i18n._("wrong region"),
    retention: i18n._("retains data too long"),
    max_price: i18n._("above the price limit"),
    unsupported: field ? i18n._("does not support {field}", { field }) : i18n._("does not support this request"),
    at_most: i18n._("beyond the attempt limit"),
    unpriced: i18n._("no price for this size"),
    key_model: i18n._("model not allowed for this key"),
    free: i18n._("free models must be requested by name"),
    capability: i18n._("lacks a required capability"),
    context: i18n._("exceeds the model's context"),
    balance: i18n._("exceeds the balance or a budget"),
    cooling: i18n._("failed recently"),
    behind: i18n._("fallback, not reached"),
  };
  return reasons[code];
}

/** "named by the request", "stage has changed · 93% confidence" */
export function whyStage({ why_code: code, confidence }: Documents["ReceiptDocument"]): string {
  const words: Record<NonNullable<typeof code>, string> = {
    asked: i18n._("named by the request"),
    alone: i18n._("not part of a session turn: routed separately"),
    first: i18n._("first in its session"),
    loop: i18n._("unchanged inside a tool loop"),
    same: i18n._("unchanged"),
    unsure: i18n._("unclear: unchanged"),
    changed: i18n._("stage has changed"),
    declared: i18n._("client declared another mode"),
    warm: i18n._("kept: the prompt cache saves more than a switch"),
  };
  if (!code) return "";
  const sure = code === "asked" || !confidence ? "" : i18n._("{percent}% confidence", { percent: Math.round(Number(confidence) * 100) });
  return [words[code], sure].filter(Boolean).join(" · ");
}

/** From a session's first request to its last: "4 min", "2 h". */
export function lasted({ first_at, last_at }: { first_at: string; last_at: string }): string {
  const minutes = Math.round((Date.parse(last_at) - Date.parse(first_at)) / 60_000);
  if (minutes < 1) return i18n._("under a minute");
  return minutes < 120 ? i18n._("{count} min", { count: minutes }) : i18n._("{count} h", { count: Math.round(minutes / 60) });
}
