// The language of the pages: compiled catalogues, loaded when asked for.
import { i18n, type Messages } from "@lingui/core";
import { rememberForSite } from "./site.ts";

export type Language = "en" | "zh";
export const LANGUAGES: Record<Language, string> = { en: "English", zh: "中文" };

const KEY = "th-language";
const load: Record<Language, () => Promise<{ messages: Messages }>> = {
  en: () => import("../words/en.ts"),
  zh: () => import("../words/zh.ts"),
};

// English without plurals is its own id, and not in its catalogue: its values are the odd parts
i18n.setMessagesCompiler((text) => text.split(/\{(\w+)\}/).map((part, index) => (index % 2 ? ([part] as [string]) : part)).filter((part) => part !== ""));

/** The chosen language, else the browser's. */
export function preferredLanguage(): Language {
  const wanted = localStorage.getItem(KEY) ?? navigator.language;
  return wanted.startsWith("zh") ? "zh" : "en";
}

export async function activateWords(language: Language): Promise<void> {
  const { messages } = await load[language]();
  i18n.loadAndActivate({ locale: language, messages });
  document.documentElement.lang = language;
}

export async function chooseLanguage(language: Language): Promise<void> {
  localStorage.setItem(KEY, language);
  rememberForSite(KEY, language);
  await activateWords(language);
}

/** Follow the browser's language from now on. */
export async function followBrowser(): Promise<void> {
  localStorage.removeItem(KEY);
  await activateWords(preferredLanguage());
}

/** Use the signed-in user's language if none was chosen in this browser. */
export async function followUser(locale: string): Promise<void> {
  const known = Object.keys(LANGUAGES).find((each): each is Language => each === locale);
  if (known && known !== i18n.locale && localStorage.getItem(KEY) === null) await activateWords(known);
}
