// Savings by caches: a table cell, and a line by layer.
import { i18n } from "@lingui/core";
import type { Documents } from "../../api/client.ts";
import { isZero, toCents } from "../../parts/amounts.ts";
import { Money } from "../../parts/Money.tsx";
import { hasSaved, savedLayers } from "../../parts/Saved.tsx";
import style from "./Usage.module.css";

export function SavedCell({ usd }: { usd: string }) {
  return <span className="soft">{isZero(usd) ? "–" : <Money usd={usd} />}</span>;
}

export function SavedLine({ saved, className }: { saved: Documents["SavedDocument"]; className?: string }) {
  if (!hasSaved(saved)) return null;
  return (
    <p className={className}>
      <span className={style.value}>{toCents(saved.total_usd)}</span> {i18n._("saved: {layers}", { layers: savedLayers(saved) })}
    </p>
  );
}
