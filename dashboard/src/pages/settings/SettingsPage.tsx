// The frame of a page of Settings: the title and the tabs.
import { i18n } from "@lingui/core";
import type { ReactNode } from "react";
import { Page } from "../../parts/Page.tsx";
export { Topic } from "../../parts/Topic.tsx";
import style from "./Settings.module.css";
import { useSettingsTabs } from "./tabs.ts";

export function SettingsPage({ title, action, children }: { title: string; action?: ReactNode; children: ReactNode }) {
  return (
    <Page title={title} heading={i18n._("Settings")} action={action} tabs={useSettingsTabs()}>
      {children}
    </Page>
  );
}

/** The action at the end of a row. */
export function RowAct({ act, children }: { act: () => void; children: ReactNode }) {
  return (
    <button type="button" className={`plain ${style.act}`} onClick={act}>
      {children}
    </button>
  );
}
