// A short name for a user agent: browser and system.
import { i18n } from "@lingui/core";

const BROWSERS: readonly [string, RegExp][] = [
  ["Edge", /\bEdg/],
  ["Opera", /\bOPR\//],
  ["Firefox", /\b(Firefox|FxiOS)\//],
  ["Chrome", /\b(Chrome|CriOS|HeadlessChrome)\//],
  ["Safari", /\bSafari\//],
];
const SYSTEMS: readonly [string, RegExp][] = [
  ["Windows", /Windows/],
  ["iPhone", /iPhone/],
  ["iPad", /iPad/],
  ["Android", /Android/],
  ["macOS", /Mac OS X/],
  ["ChromeOS", /CrOS/],
  ["Linux", /Linux/],
];

/** "Firefox on Windows"; for other programs their own name, such as "curl/8.5.0". */
export function agentName(agent: string): string {
  const browser = BROWSERS.find(([, shape]) => shape.test(agent))?.[0];
  const system = SYSTEMS.find(([, shape]) => shape.test(agent))?.[0];
  if (browser && system) return i18n._("{browser} on {system}", { browser, system });
  return browser ?? (agent.split(" ")[0] || i18n._("unknown"));
}
