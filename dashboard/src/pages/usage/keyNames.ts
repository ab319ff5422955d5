// Names of keys, for rows that have their ids.
import { i18n } from "@lingui/core";
import { useQuery } from "@tanstack/react-query";
import { useScope } from "../../shell/account.tsx";
import { keysQuery } from "../keys/queries.ts";

export type KeyNames = (id: string | null | undefined) => string;

/** Its name, else its shortened self; an id where it is not known (any more). */
export function useKeyNames(): KeyNames {
  const { account } = useScope();
  const { data: keys = [] } = useQuery(keysQuery(account.id));
  const names = new Map(keys.map((key) => [key.id, key.name || key.key]));
  return (id) => (id ? (names.get(id) ?? id) : i18n._("deleted key"));
}
