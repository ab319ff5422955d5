// The navigation: the same order everywhere.
import { i18n } from "@lingui/core";
import type { LinkProps } from "@tanstack/react-router";
import { useQuery } from "@tanstack/react-query";
import type { Documents } from "../api/client.ts";
import { editionQuery } from "../api/queries.ts";
import type { IconName } from "./icons.tsx";
import type { PageNames } from "./pageNames.ts";

export interface NavigationItem {
  to?: NonNullable<LinkProps["to"]>;
  href?: string; // a server-rendered page outside the dashboard
  icon: IconName;
  isOf?: (edition: Documents["EditionDocument"]) => boolean; // for pages that not every edition has
  label: (names: PageNames) => string;
}

const ALL: readonly NavigationItem[] = [
  { to: "/", icon: "home", label: (names) => names.home },
  { to: "/usage", icon: "usage", label: () => i18n._("Usage") },
  { to: "/billing", icon: "billing", label: () => i18n._("Billing") },
  { to: "/keys", icon: "keys", label: (names) => names.keys },
  { href: "/models", icon: "models", label: () => i18n._("Models") },
  { to: "/rewards", icon: "rewards", isOf: (edition) => edition.rewards, label: () => i18n._("Rewards") },
  { to: "/settings", icon: "settings", label: () => i18n._("Settings") },
];

/** The pages that this edition offers. */
export function useNavigation(): readonly NavigationItem[] {
  const { data: edition } = useQuery(editionQuery);
  return ALL.filter(({ isOf }) => isOf === undefined || (edition !== undefined && isOf(edition)));
}
