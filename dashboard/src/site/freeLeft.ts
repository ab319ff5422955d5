// How many requests to free models a signed-in reader's account has left.
import type { Documents } from "../api/client.ts";

export async function showFreeLeft(): Promise<void> {
  const place = document.querySelector<HTMLElement>("[data-free-left]");
  if (place === null || document.querySelector('nav a[href="/dashboard/"]') === null) return;
  const session = await read<Documents["SessionDocument"]>("/api/session");
  const wanted = localStorage.getItem("th-account"); // the account chosen in the dashboard
  const account = session?.accounts.find(({ id }) => id === wanted) ?? session?.accounts[0];
  if (account === undefined) return;
  const free = await read<Documents["FreeAllowanceDocument"]>(`/api/accounts/${account.id}/free-models/allowance`);
  if (free === null) return;
  place.textContent = wordsFor(free, place.dataset);
  if (!free.enabled) place.append(" ", linkTo("/dashboard/settings/free-models", place.dataset.freeTurnOn ?? ""));
}

function linkTo(path: string, words: string): HTMLAnchorElement {
  const link = document.createElement("a");
  link.href = path;
  link.textContent = words;
  return link;
}

function wordsFor(free: Documents["FreeAllowanceDocument"], words: DOMStringMap): string {
  if (!free.enabled) return words.freeOff ?? "";
  const counts = { left: String(free.left), limit: String(free.limit) };
  if (free.resets_at === null) return fill(words.freeLeft, counts);
  const clock = new Intl.DateTimeFormat(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return fill(words.freeUntil, { ...counts, time: clock.format(new Date(free.resets_at)) });
}

function fill(text: string | undefined, values: Record<string, string>): string {
  return (text ?? "").replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? "");
}

async function read<T>(path: string): Promise<T | null> {
  const response = await fetch(path);
  return response.ok ? ((await response.json()) as T) : null;
}
