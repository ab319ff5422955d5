// The tabs of Usage.
import { i18n } from "@lingui/core";
import { usePageNames } from "../../shell/pageNames.ts";

export function useUsageTabs() {
  const { requests } = usePageNames();
  return [
    { to: "/usage", label: i18n._("Overview") },
    { to: "/usage/requests", label: requests },
    { to: "/usage/sessions", label: i18n._("Sessions") },
  ];
}
