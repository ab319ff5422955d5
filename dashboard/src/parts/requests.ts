// A request's row in words and counts.
import { i18n } from "@lingui/core";
import type { Documents } from "../api/client.ts";
import { isZero } from "./amounts.ts";
import type { Status } from "./StatusDot.tsx";

type Request = Documents["RequestDocument"];

export function requestStatus(request: Request): { status: Status; label: string } {
  switch (request.status) {
    case "complete":
      return { status: "good", label: i18n._("complete") };
    case "hung_up":
      return { status: "waiting", label: i18n._("client disconnected early") };
    case "refused":
      return { status: "bad", label: i18n._("refused") };
    case "failed":
      return { status: "bad", label: i18n._("failed") };
    default:
      return { status: "off", label: i18n._("details deleted") };
  }
}

/** Why it was free, or how much of its input came from the provider's cache. */
export function requestNote(request: Request): string {
  if (request.status === "failed" || request.status === "refused") return i18n._("not billed");
  const answered = answeredBy(request);
  if (answered) return answered;
  if (request.detail) return i18n._("details deleted");
  const share = cachedShare(request);
  if (share > 0) return i18n._("{percent}% cached", { percent: share });
  return isZero(request.cost_usd) ? i18n._("free") : "";
}

/** Which of our caches answered, such as "exact cache"; null if none. */
export function answeredBy(request: Request): string | null {
  if (request.cache === "exact") return i18n._("exact cache");
  return request.cache === "semantic" ? i18n._("similar request, cached") : null;
}

export function stageName(stage: string): string {
  const names: Record<string, string> = {
    plan: i18n._("Planning"),
    code: i18n._("Coding"),
    review: i18n._("Reviewing"),
    summarise: i18n._("Summarising"),
    general: i18n._("General"),
  };
  return names[stage] ?? stage;
}

/** All input tokens, cached ones included; null if none were counted. */
export function tokensIn(request: Request): number | null {
  const used = request.usage;
  return used ? used.input + used.cache_read + used.cache_write_5m + used.cache_write_1h : null;
}

export function tokensOut(request: Request): number | null {
  return request.usage ? request.usage.output + request.usage.reasoning : null;
}

/** Input tokens that came from the provider's cache. */
export function cachedTokens(request: Request): number | null {
  return request.usage ? request.usage.cache_read : null;
}

function cachedShare(request: Request): number {
  const all = tokensIn(request);
  return all ? Math.floor((100 * (request.usage?.cache_read ?? 0)) / all) : 0;
}
