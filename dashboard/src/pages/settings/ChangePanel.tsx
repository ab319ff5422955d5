// A change of the audit log in full.
import { i18n } from "@lingui/core";
import { Drawer } from "../../parts/Drawer.tsx";
import { Time } from "../../parts/Time.tsx";
import { actorName, fieldName, subjectName, valueLines } from "./audit.ts";
import type { Change } from "./queries.ts";
import style from "./Settings.module.css";

export function ChangePanel({ of: change, onClose }: { of: Change; onClose: () => void }) {
  return (
    <Drawer title={fieldName(change.field)} onClose={onClose}>
      <dl className={style.facts}>
        <Fact label={i18n._("When")}>
          <Time at={change.at} as="moment" />
        </Fact>
        <Fact label={i18n._("Actor")}>
          {actorName(change)} <Id id={change.actor} name={change.actor_name} />
        </Fact>
        {change.subject && (
          <Fact label={i18n._("Target")}>
            {subjectName(change)} <Id id={change.subject} name={change.subject_name} />
          </Fact>
        )}
        <Fact label={i18n._("From")}>
          <span className="mono">{change.address || i18n._("deleted, or set by command")}</span>
        </Fact>
        <Fact label={i18n._("Before")}>
          <Value text={change.before} />
        </Fact>
        <Fact label={i18n._("After")}>
          <Value text={change.after} />
        </Fact>
        {change.wording && <Fact label={change.actor === "auto-topup" ? i18n._("Reason") : i18n._("Agreed to")}>{change.wording}</Fact>}
        <Fact label={i18n._("Entry")}>
          <span className="mono soft">{change.id}</span>
        </Fact>
      </dl>
    </Drawer>
  );
}

function Fact({ label, children }: { label: string; children: React.ReactNode }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** An id, shown after its name. */
function Id({ id, name }: { id: string; name: string }) {
  return name && <span className="mono soft">{id}</span>;
}

function Value({ text }: { text: string }) {
  const lines = valueLines(text);
  if (lines.length === 0) return <span className="soft">–</span>;
  return lines.map((line) => (
    <p key={line} className="mono">
      {line}
    </p>
  ));
}
