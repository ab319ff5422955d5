// Every page that the navigation, a tab or the user menu leads to.
import { i18n } from "@lingui/core";
import { useBillingTabs } from "../pages/billing/tabs.ts";
import { useSettingsTabs } from "../pages/settings/tabs.ts";
import { useUsageTabs } from "../pages/usage/tabs.ts";
import { useScope } from "./account.tsx";
import type { Found } from "./findable.ts";
import { useNavigation } from "./navigation.ts";
import { usePageNames } from "./pageNames.ts";

export function usePages(): Found[] {
  const { user } = useScope();
  const names = usePageNames();
  const navigation = useNavigation();
  const tabs = [...useUsageTabs(), ...useBillingTabs(), ...useSettingsTabs()];
  const first = navigation.map(({ to, href, label }) => ({ label: label(names), address: href ?? `/dashboard${to}` }));
  const known = new Set<string>(navigation.flatMap(({ to }) => to ?? []));
  const others = tabs.filter(({ to }) => !known.has(to)).map(({ to, label }) => ({ label, address: `/dashboard${to}` }));
  const operators = user.operator ? [{ label: i18n._("Mails"), address: "/dashboard/operator" }] : [];
  return [...first, ...others, ...operators];
}
