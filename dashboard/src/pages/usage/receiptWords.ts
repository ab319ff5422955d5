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

export function notAskedReason({ code, field }: Documents["ReceiptCandidate"]): string {
  const reasons: Record<Documents["ReceiptCandidate"]["code"], string> = {
    unavailable: i18n._("not set up here"),
    plan: i18n._("outside your plan"),
    key: i18n._("this key's rules"),
    pinned: i18n._("others are pinned"),
    ignored: i18n._("the call ignores it"),
    region: i18n._("another region"),
    retention: i18n._("keeps data longer"),
    max_price: i18n._("above the price limit"),
    unsupported: field ? i18n._("cannot take {field}", { field }) : i18n._("cannot take this call"),
    at_most: i18n._("one too many"),
    unpriced: i18n._("no price for this size"),
    key_model: i18n._("model not in this key's rules"),
    free: i18n._("free models are asked by name"),
    capability: i18n._("cannot do what the call asks"),
    context: i18n._("call too long for it"),
    balance: i18n._("balance too low for it"),
    cooling: i18n._("had just failed"),
    behind: i18n._("next in order"),
  };
  return reasons[code];
}

/** "the caller named the stage", "the stage has clearly changed · 93% sure" */
export function whyStage({ why_code: code, confidence }: Documents["ReceiptDocument"]): string {
  const words: Record<NonNullable<typeof code>, string> = {
    asked: i18n._("the call named it"),
    alone: i18n._("no turn of its session: routed by itself"),
    first: i18n._("the first of its session"),
    loop: i18n._("inside a tool loop nothing changes"),
    same: i18n._("as before"),
    unsure: i18n._("none is clear: as before"),
    changed: i18n._("it has clearly changed"),
    declared: i18n._("the client declared another mode"),
    warm: i18n._("kept: the prompt cache is worth more than a switch"),
  };
  if (!code) return "";
  const sure = code === "asked" || !confidence ? "" : i18n._("{percent}% sure", { percent: Math.round(Number(confidence) * 100) });
  return [words[code], sure].filter(Boolean).join(" · ");
}

/** From a session's first call to its last: "4 min", "2 h". */
export function lasted({ first_at, last_at }: { first_at: string; last_at: string }): string {
  const minutes = Math.round((Date.parse(last_at) - Date.parse(first_at)) / 60_000);
  if (minutes < 1) return i18n._("under a minute");
  return minutes < 120 ? i18n._("{count} min", { count: minutes }) : i18n._("{count} h", { count: Math.round(minutes / 60) });
}
