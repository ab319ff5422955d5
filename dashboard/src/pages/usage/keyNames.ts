// Names of keys, for rows that have their ids.
import { i18n } from "@lingui/core";
import { useQuery } from "@tanstack/react-query";
import { useScope } from "../../shell/account.tsx";
import { keysQuery } from "../keys/queries.ts";

export type KeyNames = (id: string | null | undefined) => string;

/** The key's name, else its shortened form; the id of an unknown or deleted key. */
export function useKeyNames(): KeyNames {
  const { account } = useScope();
  const { data: keys = [] } = useQuery(keysQuery(account.id));
  const names = new Map(keys.map((key) => [key.id, key.name || key.key]));
  return (id) => (id ? (names.get(id) ?? id) : i18n._("deleted key"));
}
