// How a mail's state is called, and which parts of its text are links.
import { i18n } from "@lingui/core";
import type { Status } from "../../parts/StatusDot.tsx";

export function mailState(state: string): { status: Status; label: string } {
  const states: Record<string, { status: Status; label: string }> = {
    kept: { status: "off", label: i18n._("kept here") },
    waiting: { status: "waiting", label: i18n._("waits to be sent") },
    failed: { status: "bad", label: i18n._("could not be sent") },
  };
  return states[state] ?? { status: "off", label: state };
}

export interface TextPart {
  text: string;
  isLink: boolean;
}

/** Only links to this service: users write some of the words, such as an account's name. */
export function textParts(text: string): TextPart[] {
  return text.split(/(https?:\/\/[^\s<>"]+)/).map((part, at) => ({ text: part, isLink: at % 2 === 1 && isOurs(part) }));
}

function isOurs(address: string): boolean {
  return URL.canParse(address) && new URL(address).origin === location.origin;
}
