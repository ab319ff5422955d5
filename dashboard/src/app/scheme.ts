// Light or dark: what was chosen, else what the system says. Set before anything is drawn.
import { localStorageColorSchemeManager, type MantineColorScheme, type MantineColorSchemeManager } from "@mantine/core";
import { rememberForSite } from "./site.ts";

const KEY = "th-scheme";
const stored = localStorageColorSchemeManager({ key: KEY });

export const schemeManager: MantineColorSchemeManager = {
  ...stored,
  set(scheme) {
    stored.set(scheme);
    rememberForSite(KEY, scheme === "auto" ? "" : scheme);
  },
};

export function applyScheme(): void {
  const chosen: MantineColorScheme = schemeManager.get("auto");
  const dark = chosen === "dark" || (chosen === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
}
