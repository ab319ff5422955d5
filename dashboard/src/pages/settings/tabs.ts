// The tabs of Settings: the user's own first, then the account's, as the role allows.
import { i18n } from "@lingui/core";
import { useRight } from "../../shell/account.tsx";

export function useSettingsTabs() {
  const manages = useRight("manage");
  return [
    { to: "/settings", label: i18n._("Profile") },
    { to: "/settings/security", label: i18n._("Security") },
    { to: "/settings/team", label: i18n._("Team") },
    { to: "/settings/alerts", label: i18n._("Alerts") },
    { to: "/settings/free-models", label: i18n._("Free models") },
    { to: "/settings/caches", label: i18n._("Caches") },
    ...(manages ? accountTabs() : []),
  ];
}

/** Tabs for members who manage the account. */
function accountTabs() {
  return [
    { to: "/settings/management-keys", label: i18n._("Management keys") },
    { to: "/settings/audit", label: i18n._("Audit") },
  ];
}
