// What each role may do, in words.
import { i18n } from "@lingui/core";
import type { Role } from "./queries.ts";

export function roleWords(role: Role): string {
  const words: Record<Role, string> = {
    owner: i18n._("Full access, including adding and removing owners."),
    admin: i18n._("Full access except owners: keys, money, team, management keys, settings."),
    developer: i18n._("Can view everything and create, change and revoke keys. Cannot move money."),
    billing: i18n._("Can view everything, top up, request refunds and redeem codes. Cannot create keys."),
    viewer: i18n._("Can view balance, usage, ledger and team. Cannot change anything."),
  };
  return words[role];
}
