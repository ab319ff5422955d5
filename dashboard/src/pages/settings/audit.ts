// Names of fields, actors and values in the audit log.
import { i18n } from "@lingui/core";
import { showTime } from "../../parts/Time.tsx";
import { roleName } from "../../shell/menus.tsx";
import type { Change } from "./queries.ts";

/** "Key: daily limit" for key.daily_usd; a field without a name here is shown as it is. */
export function fieldName(field: string): string {
  const [thing, part] = field.split(".");
  const things: Record<string, string> = {
    account: i18n._("Account"),
    key: i18n._("Key"),
    management_key: i18n._("Management key"),
    role: i18n._("Role"),
    invitation: i18n._("Invitation"),
    email_undo: i18n._("E-mail change undone, with later changes"),
    alerts: i18n._("Alerts"),
    alert_webhook: i18n._("Alert webhook"),
    auto_top_up: i18n._("Auto top-up"),
    payee: i18n._("Payee"),
    saved_method: i18n._("Saved payment method"),
    top_up: i18n._("Top-up"),
    refund: i18n._("Refund"),
    withdrawal: i18n._("Withdrawal"),
    welcome_grant: i18n._("Welcome grant"),
    code: i18n._("Code"),
    reward: i18n._("Reward"),
    plan: i18n._("Plan"),
    free_models: i18n._("Free models"),
  };
  const name = things[thing ?? ""] ?? inWords(thing ?? "");
  return part ? i18n._("{thing}: {part}", { thing: name, part: partName(part) }) : name;
}

function partName(part: string): string {
  const parts: Record<string, string> = {
    name: i18n._("name"),
    models: i18n._("models"),
    providers: i18n._("providers"),
    denied_providers: i18n._("blocked providers"),
    networks: i18n._("addresses"),
    quota_usd: i18n._("total limit"),
    daily_usd: i18n._("daily limit"),
    monthly_usd: i18n._("monthly limit"),
    daily_budget_usd: i18n._("daily budget"),
    monthly_budget_usd: i18n._("monthly budget"),
    rpm: i18n._("requests a minute"),
    tpm: i18n._("tokens a minute"),
    concurrency: i18n._("concurrent requests"),
    expires_at: i18n._("end"),
    revoked_at: i18n._("revoked"),
    deleted_at: i18n._("deleted"),
    changed_at: i18n._("changed"),
    enabled: i18n._("on"),
    mail: i18n._("mail"),
    state: i18n._("state"),
    amount_usd: i18n._("amount"),
    credit_usd: i18n._("credit"),
    threshold_usd: i18n._("threshold"),
    month_most_usd: i18n._("monthly limit"),
    processor: i18n._("processor"),
    method: i18n._("method"),
    currency: i18n._("currency"),
    save_method: i18n._("saves the method"),
    saved_at: i18n._("saved"),
    origin: i18n._("requested by"),
    reason: i18n._("reason"),
  };
  return parts[part] ?? inWords(part);
}

/** The actor: a person, a program by its key, the operator, or the server itself. */
export function actorName({ actor, actor_name }: Change): string {
  if (actor_name) return actor_name;
  if (actor === "operator") return i18n._("the operator");
  if (actor === "server") return i18n._("the server");
  if (actor === "auto-topup") return i18n._("auto top-up");
  return actor.startsWith("mkey_") ? i18n._("a management key") : actor;
}

export function subjectName({ subject, subject_name }: Change): string {
  if (subject_name || subject === "") return subject_name;
  return subject.startsWith("key_") || subject.startsWith("mkey_") ? i18n._("unnamed") : subject;
}

/** A value on one line. An object, such as a new key, is shown by its name. */
export function valueInShort(field: string, text: string): string {
  if (text === "") return "–";
  if (field === "role" || field === "invitation") return roleName(text);
  const whole = parsed(text);
  if (whole === null) return plain(text);
  if (Array.isArray(whole)) return whole.length === 0 ? i18n._("all") : whole.map(String).join(", ");
  const { name } = whole as { name?: unknown };
  return typeof name === "string" && name !== "" ? name : valueLines(text).join(", ");
}

/** The whole value: one line for each part. */
export function valueLines(text: string): string[] {
  if (text === "") return [];
  const whole = parsed(text);
  if (whole === null) return [plain(text)];
  if (Array.isArray(whole)) return whole.map(String);
  return Object.entries(whole).flatMap(([part, value]) => {
    const shown = valueLines(String(value)).join(", "); // a list is text, too
    return shown === "" ? [] : [`${partName(part)}: ${shown}`];
  });
}

function parsed(text: string): object | null {
  if (!text.startsWith("{") && !text.startsWith("[")) return null;
  try {
    return JSON.parse(text) as object;
  } catch {
    return null;
  }
}

function plain(text: string): string {
  if (/^\d{4}-\d\d-\d\dT/.test(text)) return showTime(text, "moment");
  return /^-?\d+\.\d{9}$/.test(text) ? `$${text.replace(/\.?0+$/, "")}` : text;
}

function inWords(name: string): string {
  const words = name.replaceAll("_", " ").replace(/ usd$/, "");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
