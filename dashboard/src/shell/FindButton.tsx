// Loads and opens the finder: by its button, ⌘K or Ctrl+K.
import { i18n } from "@lingui/core";
import { VisuallyHidden } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { lazy, Suspense, useState } from "react";
import style from "./Finder.module.css";
import { Icon } from "./icons.tsx";

const Finder = lazy(() => import("./Finder.tsx").then((found) => ({ default: found.Finder })));
const KEYS = /Mac|iP(hone|ad)/.test(navigator.userAgent) ? "⌘K" : "Ctrl K";

export function FindButton() {
  const [open, setOpen] = useState(false);
  useHotkeys([["mod+K", () => setOpen(true)]], []);
  return (
    <>
      <button type="button" className={style.button} aria-keyshortcuts="Control+K Meta+K" onClick={() => setOpen(true)}>
        <Icon name="find" />
        <VisuallyHidden>{i18n._("Find")}</VisuallyHidden>
        <span aria-hidden="true">{i18n._("Find")}</span>
        <kbd aria-hidden="true">{KEYS}</kbd>
      </button>
      {open && (
        <Suspense>
          <Finder onClose={() => setOpen(false)} />
        </Suspense>
      )}
    </>
  );
}
