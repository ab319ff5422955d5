// Search targets beside keys: actions, models and ids; and how a text matches.
import { i18n } from "@lingui/core";
import { queryOptions } from "@tanstack/react-query";
import { api, ask } from "../api/client.ts";
import type { Right } from "./account.tsx";

export interface Found {
  label: string;
  address: string;
  isId?: boolean;
}

export function actions(rights: readonly string[]): Found[] {
  const all: (Found & { right: Right })[] = [
    { label: i18n._("Top up"), address: "/dashboard/billing/top-up", right: "spend" },
    { label: i18n._("Create key"), address: "/dashboard/keys/new", right: "manage_keys" },
    { label: i18n._("Connect a tool"), address: "/dashboard/connect", right: "manage_keys" },
  ];
  return all.filter(({ right }) => rights.includes(right));
}

export const modelsQuery = queryOptions({ queryKey: ["models"], queryFn: () => ask(api.GET("/api/models")), staleTime: 300_000 });

/** Each word of the text begins a word of the label, in any order. */
export function matches(label: string, text: string): boolean {
  const words = label.toLowerCase().split(/[\s/._:-]+/);
  const asked = text.toLowerCase().split(/[\s/._:-]+/).filter(Boolean);
  return asked.every((part) => words.some((word) => word.startsWith(part)));
}

/** The page for an id, if the text looks like one. */
export function idOf(text: string): Found | null {
  const [, kind] = /^(req|key|topup)_[0-9a-v]{26}$/.exec(text) ?? [];
  const folders: Record<string, string> = { req: "usage/requests", key: "keys", topup: "billing/top-ups" };
  return kind === undefined ? null : { label: text, address: `/dashboard/${folders[kind]}/${text}`, isId: true };
}
