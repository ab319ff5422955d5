// The tabs of usage.
import { i18n } from "@lingui/core";

export function usageTabs() {
  return [
    { to: "/usage", label: i18n._("Overview") },
    { to: "/usage/requests", label: i18n._("Requests") },
  ];
}
