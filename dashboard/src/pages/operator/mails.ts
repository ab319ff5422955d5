// Names of a mail's states, and the links in its text.
import { i18n } from "@lingui/core";
import type { Status } from "../../parts/StatusDot.tsx";

export function mailState(state: string): { status: Status; label: string } {
  const states: Record<string, { status: Status; label: string }> = {
    kept: { status: "off", label: i18n._("Not sent: no mail server") },
    waiting: { status: "waiting", label: i18n._("Queued") },
    failed: { status: "bad", label: i18n._("Failed") },
  };
  return states[state] ?? { status: "off", label: state };
}

export interface TextPart {
  text: string;
  isLink: boolean;
}

/** Splits a text at links to this service. Others stay text: users write some of the words, such as an account's name. */
export function textParts(text: string): TextPart[] {
  return text.split(/(https?:\/\/[^\s<>"]+)/).map((part, at) => ({ text: part, isLink: at % 2 === 1 && isOurs(part) }));
}

function isOurs(address: string): boolean {
  return URL.canParse(address) && new URL(address).origin === location.origin;
}
