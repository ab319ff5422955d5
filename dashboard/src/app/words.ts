// The language of the pages: compiled catalogues, loaded when asked for.
import { i18n, type Messages } from "@lingui/core";

export type Language = "en" | "zh";
export const LANGUAGES: Record<Language, string> = { en: "English", zh: "中文" };

const KEY = "th-language";
const load: Record<Language, () => Promise<{ messages: Messages }>> = {
  en: () => import("../words/en.ts"),
  zh: () => import("../words/zh.ts"),
};

/** What was chosen, else what the browser prefers. */
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
  await activateWords(language);
}
