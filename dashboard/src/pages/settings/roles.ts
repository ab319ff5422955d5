// Roles in plain words: what each may do with the account.
import { i18n } from "@lingui/core";
import type { Role } from "./queries.ts";

export function roleWords(role: Role): string {
  const words: Record<Role, string> = {
    owner: i18n._("Everything, and makes and removes owners."),
    admin: i18n._("Everything but owners: keys, money, team, management keys, settings."),
    developer: i18n._("Sees everything; makes, changes and revokes keys. Moves no money."),
    billing: i18n._("Sees everything; tops up, asks for refunds, redeems codes. Makes no keys."),
    viewer: i18n._("Sees balance, usage, ledger and team. Changes nothing."),
  };
  return words[role];
}
