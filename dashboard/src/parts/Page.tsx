// A page's frame: its title, at most one primary action, and its tabs.
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useEffect, useRef } from "react";
import { editionQuery, serviceName } from "../api/queries.ts";
import style from "./Page.module.css";

interface Tab {
  to: string;
  label: string;
}

interface Props {
  title: string;
  heading?: string; // the common heading of pages under tabs
  action?: ReactNode;
  tabs?: readonly Tab[];
  quiet?: boolean; // shows the title to screen readers and in the window only
  children: ReactNode;
}

export function Page({ title, heading = title, action, tabs, quiet, children }: Props) {
  const { data: edition } = useQuery(editionQuery);
  useEffect(() => {
    document.title = `${title} · ${serviceName(edition)}`;
  }, [title, edition]);
  return (
    <div className={style.page}>
      <div className={quiet ? style.quiet : style.head}>
        <h1>{heading}</h1>
        {action && <div className="push">{action}</div>}
      </div>
      {tabs && <Tabs label={heading} tabs={tabs} />}
      {children}
    </div>
  );
}

/** Tabs wrap; on a phone they are one line that scrolls, with the chosen one in sight. */
function Tabs({ label, tabs }: { label: string; tabs: readonly Tab[] }) {
  const row = useRef<HTMLElement>(null);
  useEffect(() => {
    const chosen = row.current?.querySelector<HTMLElement>("[aria-current=page]");
    if (row.current && chosen) row.current.scrollLeft = chosen.offsetLeft + chosen.offsetWidth + 24 - row.current.clientWidth; // shows the start of the next one
  }, [tabs.length]); // some appear once the edition is loaded
  return (
    <nav className={style.tabs} aria-label={label} ref={row}>
      {tabs.map((tab) => (
        <Link key={tab.to} to={tab.to} activeOptions={{ exact: isPrefix(tab, tabs), includeSearch: false }}>
          {tab.label}
        </Link>
      ))}
    </nav>
  );
}

/** Whether another tab's address begins with this one's: then only an exact match selects it. Else pages below it, such as a panel, do too. */
function isPrefix(tab: Tab, tabs: readonly Tab[]): boolean {
  return tabs.some((other) => other !== tab && other.to.startsWith(tab.to));
}

/** A part of a page: heading, an element beside it, contents. */
export function Section({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  return (
    <section className={style.section}>
      <div className={style.sectionHead}>
        <h2>{title}</h2>
        {aside && <div className="push">{aside}</div>}
      </div>
      {children}
    </section>
  );
}
