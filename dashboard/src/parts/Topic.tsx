// A topic of a page: an explanation beside its settings.
import type { ReactNode } from "react";
import style from "./Topic.module.css";

/** On a wide screen, title and explanation stand at the left. */
export function Topic({ title, lead, children }: { title: string; lead?: ReactNode; children: ReactNode }) {
  return (
    <section className={style.topic}>
      <div>
        <h2>{title}</h2>
        {lead && <p className="soft">{lead}</p>}
      </div>
      <div className={style.contents}>{children}</div>
    </section>
  );
}
