// The edition's names for three of the pages, and for a key.
import { i18n } from "@lingui/core";
import { useQuery } from "@tanstack/react-query";
import { editionQuery } from "../api/queries.ts";

export interface PageNames {
  home: string;
  requests: string;
  keys: string;
  key: string;
  makeKey: string;
}

export function usePageNames(): PageNames {
  const pages = useQuery(editionQuery).data?.pages;
  return {
    home: pages?.home === "console" ? i18n._("Console") : i18n._("Home"),
    requests: pages?.requests === "logs" ? i18n._("Logs") : i18n._("Requests"),
    ...(pages?.keys === "tokens"
      ? { keys: i18n._("API tokens"), key: i18n._("API token"), makeKey: i18n._("Create API token") }
      : { keys: i18n._("Keys"), key: i18n._("Key"), makeKey: i18n._("Create key") }),
  };
}
