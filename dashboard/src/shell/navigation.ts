// The navigation: the same order everywhere, and nothing that is not built.
import { i18n } from "@lingui/core";
import type { LinkProps } from "@tanstack/react-router";
import type { IconName } from "./icons.tsx";

export interface NavigationItem {
  to: NonNullable<LinkProps["to"]>;
  icon: IconName;
  label: () => string;
}

export const NAVIGATION: readonly NavigationItem[] = [
  { to: "/", icon: "home", label: () => i18n._("Home") },
  { to: "/usage", icon: "usage", label: () => i18n._("Usage") },
  { to: "/billing", icon: "billing", label: () => i18n._("Billing") },
  { to: "/keys", icon: "keys", label: () => i18n._("Keys") },
];

/** Whether a page is there: what leads to one that is not is not shown. */
export function isBuilt(to: string): boolean {
  return NAVIGATION.some((item) => item.to === to);
}
