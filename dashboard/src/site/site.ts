// Live search for the server-rendered model pages: loads the same addresses while the reader types. Without it, buttons do.
import "../style/faces.css";
import "../style/tokens.css";
import "virtual:system-dark.css";
import "../style/base.css";
import "./site.css";
import { showFreeLeft } from "./freeLeft.ts";

const WAIT_MS = 150; // after the last keystroke

const form = document.querySelector<HTMLFormElement>("#ask");
if (form !== null) makeLive(form);
for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-copy]")) makeCopy(button);
void showFreeLeft();

function makeLive(asked: HTMLFormElement): void {
  let waiting = 0;
  let asking = new AbortController();

  async function show(): Promise<void> {
    clearTimeout(waiting);
    asking.abort();
    asking = new AbortController();
    const address = addressOf(asked);
    try {
      const response = await fetch(address, { signal: asking.signal });
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html").querySelector("#results");
      if (fresh === null) throw new Error("no results");
      replaceResults(fresh);
      history.replaceState(null, "", address);
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "AbortError")) location.assign(address);
    }
  }

  asked.addEventListener("input", (event) => {
    clearTimeout(waiting);
    const typed = event.target instanceof HTMLInputElement && event.target.type !== "checkbox";
    waiting = window.setTimeout(show, typed ? WAIT_MS : 0);
  });
  asked.addEventListener("submit", (event) => {
    event.preventDefault();
    void show();
  });
  asked.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest<HTMLElement>("a[data-sort]") : null;
    const order = asked.elements.namedItem("sort");
    if (link?.dataset.sort === undefined || !(order instanceof HTMLSelectElement) || event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    order.value = link.dataset.sort;
    void show();
  });
}

/** The form's address, without empty and default fields. */
function addressOf(asked: HTMLFormElement): string {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(asked)) {
    const field = asked.elements.namedItem(name);
    const usual = field instanceof HTMLElement ? field.dataset.usual : undefined;
    const text = usual === undefined ? String(value) : String(value).replaceAll(/[,_ ]/g, "");
    if (text !== "" && text !== usual) query.append(name, text);
  }
  const stated = query.toString();
  return asked.action.split("?")[0] + (stated === "" ? "" : `?${stated}`);
}

/** Keeps the focus, and announces how many were found. */
function replaceResults(fresh: Element): void {
  const focused = document.activeElement;
  const said = document.querySelector("#said");
  if (said !== null) said.textContent = fresh.querySelector("#found")?.textContent ?? "";
  document.querySelector("#results")?.replaceWith(fresh);
  if (focused === null || focused.isConnected) return;
  const same = [...fresh.querySelectorAll<HTMLElement>("input, a, [tabindex]")].find((each) => isAlike(each, focused));
  (same ?? document.querySelector<HTMLElement>("#page"))?.focus({ preventScroll: true });
}

function isAlike(one: Element, other: Element): boolean {
  const names = ["name", "value", "data-sort", "aria-labelledby"];
  return one.tagName === other.tagName && names.every((name) => one.getAttribute(name) === other.getAttribute(name));
}

function makeCopy(button: HTMLButtonElement): void {
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy ?? "")?.textContent ?? "");
    button.textContent = button.dataset.copied ?? label;
    setTimeout(() => (button.textContent = label), 2000);
  });
}
