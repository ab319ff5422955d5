// A key's rules as form text, and their conversion for the API.
import { i18n } from "@lingui/core";
import { limitOf } from "./describe.ts";
import type { Key, KeyRules } from "./queries.ts";

export type RuleValues = {
  name: string;
  label: string;
  quota_usd: string;
  daily_usd: string;
  monthly_usd: string;
  rpm: string;
  tpm: string;
  concurrency: string;
  models: string;
  providers: string;
  deny_providers: string;
  ip: string;
  expires_at: string; // days from now; "" for never; or AS_IT_IS
};

export const AS_IT_IS = "as it is";

export const NO_RULES: RuleValues = {
  name: "",
  label: "",
  quota_usd: "",
  daily_usd: "",
  monthly_usd: "",
  rpm: "",
  tpm: "",
  concurrency: "",
  models: "",
  providers: "",
  deny_providers: "",
  ip: "",
  expires_at: "",
};

export interface Preset {
  id: string;
  label: string;
  for: string;
  values: RuleValues;
}

/** Purposes of keys with suggested limits, which the user may change. */
export function presets(): Preset[] {
  return [
    {
      id: "development",
      label: i18n._("Development"),
      for: i18n._("For your own machine: a small daily budget, no expiry."),
      values: { ...NO_RULES, name: i18n._("development"), daily_usd: "5" },
    },
    {
      id: "ci",
      label: i18n._("CI"),
      for: i18n._("For automated tests: a daily budget, rate-limited, renewed every 90 days."),
      values: { ...NO_RULES, name: i18n._("ci"), daily_usd: "2", rpm: "60", expires_at: "90" },
    },
    {
      id: "agent",
      label: i18n._("Agent"),
      for: i18n._("For a task with an end: a total budget, at most half of it a day."),
      values: { ...NO_RULES, name: i18n._("agent"), quota_usd: "10", daily_usd: "5", concurrency: "8", expires_at: "30" },
    },
    {
      id: "user",
      label: i18n._("End user"),
      for: i18n._("For one of your customers: a monthly budget, few concurrent requests."),
      values: { ...NO_RULES, name: i18n._("customer"), monthly_usd: "5", rpm: "20", concurrency: "2" },
    },
  ];
}

export function valuesOf(key: Key): RuleValues {
  const text = (value: number | null) => (value === null ? "" : String(value));
  return {
    name: key.name,
    label: key.label,
    quota_usd: short(key.quota_usd),
    daily_usd: short(key.daily_usd),
    monthly_usd: short(key.monthly_usd),
    rpm: text(key.rpm),
    tpm: text(key.tpm),
    concurrency: text(key.concurrency),
    models: key.models.join(", "),
    providers: key.providers.join(", "),
    deny_providers: key.deny_providers.join(", "),
    ip: key.ip.join(", "),
    expires_at: key.expires_at === null ? "" : AS_IT_IS,
  };
}

/** Only the changed fields; the others keep their values. */
export function toRules(values: RuleValues, named: (field: keyof RuleValues) => boolean): KeyRules {
  const fields = (Object.keys(values) as (keyof RuleValues)[]).filter(named);
  return Object.fromEntries(fields.map((field) => [field, toRule(field, values[field].trim())])) as KeyRules;
}

function toRule(field: keyof RuleValues, text: string) {
  switch (field) {
    case "name":
    case "label":
      return text;
    case "quota_usd":
    case "daily_usd":
    case "monthly_usd":
      return text.replace(/^\$/, "") || null;
    case "rpm":
    case "tpm":
    case "concurrency":
      return text === "" ? null : Number(text);
    case "expires_at":
      return text === "" ? null : new Date(Date.now() + Number(text) * 86_400_000).toISOString();
    default:
      return text.split(/[\s,]+/).filter(Boolean);
  }
}

/** Whether a count field holds a whole number. */
export function checkCount(text: string): string | null {
  return /^\d*$/.test(text.trim()) ? null : i18n._("Enter a whole number.");
}

function short(amount: string | null): string {
  return limitOf(amount)?.replace(/\.?0+$/, "") ?? "";
}
