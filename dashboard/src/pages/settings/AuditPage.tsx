// The audit log: who changed what, when and from where; a row opens both values whole.
import { i18n } from "@lingui/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type Column, DataTable } from "../../parts/DataTable.tsx";
import { Await, Empty } from "../../parts/States.tsx";
import { Time } from "../../parts/Time.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import { actorName, fieldName, subjectName, valueInShort } from "./audit.ts";
import { ChangePanel } from "./ChangePanel.tsx";
import { auditQuery, type Change } from "./queries.ts";
import style from "./Settings.module.css";
import { SettingsPage } from "./SettingsPage.tsx";

export function AuditPage() {
  const manages = useRight("manage");
  return (
    <SettingsPage title={i18n._("Audit")}>
      {manages ? (
        <Log />
      ) : (
        <Empty title={i18n._("Your role does not allow this")}>{i18n._("Owners and admins can read the audit log.")}</Empty>
      )}
    </SettingsPage>
  );
}

function Log() {
  const { account } = useScope();
  const [chosen, setChosen] = useState<Change | null>(null);
  const log = useInfiniteQuery(auditQuery(account.id));
  const { fetchNextPage, hasNextPage, isFetchingNextPage } = log;
  const more = hasNextPage ? { load: () => void fetchNextPage(), busy: isFetchingNextPage } : null;
  return (
    <>
      <Await query={log} rows={12}>
        {({ pages }) => {
          const rows = pages.flatMap((page) => page.data);
          if (rows.length === 0)
            return <Empty title={i18n._("No changes yet")}>{i18n._("Changes to keys, team, settings, budgets and payments appear here. Entries are never altered.")}</Empty>;
          return (
            <DataTable
              label={i18n._("Audit log")}
              rows={rows}
              columns={columns()}
              rowKey={(change) => change.id}
              chosen={chosen?.id ?? null}
              onOpen={setChosen}
              more={more}
            />
          );
        }}
      </Await>
      {chosen && <ChangePanel of={chosen} onClose={() => setChosen(null)} />}
    </>
  );
}

function columns(): Column<Change>[] {
  return [
    { id: "at", head: i18n._("When"), cell: (change) => <Time at={change.at} as="moment" /> },
    { id: "who", head: i18n._("Actor"), narrow: "hide", cell: (change) => <span className={style.short}>{actorName(change)}</span> },
    { id: "what", head: i18n._("Subject"), cell: (change) => <span className="strong">{fieldName(change.field)}</span>, under: actorName },
    { id: "of", head: i18n._("Target"), narrow: "laptop", cell: (change) => <span className={`soft ${style.short}`}>{subjectName(change)}</span> },
    { id: "change", head: i18n._("Before → after"), wide: true, narrow: "hide", cell: (change) => <Values of={change} /> },
    { id: "from", head: i18n._("From"), align: "end", narrow: "laptop", cell: (change) => <span className="mono soft">{change.address || "–"}</span> },
  ];
}

function Values({ of: { field, before, after } }: { of: Change }) {
  return (
    <>
      <span className="soft">{valueInShort(field, before)}</span> → {valueInShort(field, after)}
    </>
  );
}
