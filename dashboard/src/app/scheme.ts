// Light or dark: what was chosen, else what the system says. Set before anything is drawn.
import { localStorageColorSchemeManager, type MantineColorScheme } from "@mantine/core";

export const schemeManager = localStorageColorSchemeManager({ key: "th-scheme" });

export function applyScheme(): void {
  const chosen: MantineColorScheme = schemeManager.get("auto");
  const dark = chosen === "dark" || (chosen === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
}
