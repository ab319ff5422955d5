// The last ten calls, as they end.
import { i18n } from "@lingui/core";
import { useRouter } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import type { Documents } from "../../api/client.ts";
import { useLiveState } from "../../api/live.ts";
import { type Column, DataTable, useStillRows } from "../../parts/DataTable.tsx";
import { Cost } from "../../parts/Money.tsx";
import { count } from "../../parts/numbers.ts";
import { requestNote, requestStatus, tokensIn, tokensOut } from "../../parts/requests.ts";
import { Section } from "../../parts/Page.tsx";
import { StatusDot } from "../../parts/StatusDot.tsx";
import { showTime, Time } from "../../parts/Time.tsx";
import { useScope } from "../../shell/account.tsx";
import { isBuilt } from "../../shell/navigation.ts";

type Row = Documents["RequestDocument"];

export function LatestCalls({ requests }: { requests: readonly Row[] }) {
  const router = useRouter();
  const { rows, waiting, hold } = useStillRows(requests);
  const fresh = useFresh(rows);
  return (
    <Section title={i18n._("Latest calls")} aside={<Liveness waiting={waiting} />}>
      <div {...hold}>
        <DataTable
          label={i18n._("Latest calls")}
          rows={rows}
          columns={columns()}
          rowKey={(row) => row.id}
          fresh={fresh}
          onOpen={isBuilt("/usage") ? (row) => router.history.push(`/dashboard/usage/requests/${row.id}`) : undefined}
        />
      </div>
    </Section>
  );
}

function columns(): Column<Row>[] {
  return [
    { id: "time", head: i18n._("Time"), cell: (row) => <When row={row} /> },
    { id: "model", head: i18n._("Model"), wide: true, cell: (row) => <span className="strong">{row.model ?? "–"}</span> },
    { id: "provider", head: i18n._("Provider"), narrow: "hide", cell: (row) => <span className="soft">{row.provider ?? "–"}</span> },
    { id: "in", head: i18n._("In"), align: "end", narrow: "hide", cell: (row) => tokens(tokensIn(row)) },
    { id: "out", head: i18n._("Out"), align: "end", narrow: "hide", cell: (row) => tokens(tokensOut(row)) },
    { id: "cost", head: i18n._("Cost"), align: "end", cell: (row) => <Cost usd={row.cost_usd} /> },
    { id: "note", head: "", narrow: "hide", cell: (row) => <span className="soft small">{requestNote(row)}</span> },
  ];
}

function When({ row }: { row: Row }) {
  const { status, label } = requestStatus(row);
  return (
    <>
      <StatusDot status={status} label={label} />
      <Time at={row.ended_at} as="clock" />
    </>
  );
}

function tokens(number: number | null): string {
  return number === null ? "–" : count(number);
}

function Liveness({ waiting }: { waiting: boolean }) {
  const { since } = useLiveState(useScope().live);
  if (since !== null) {
    const time = showTime(new Date(since).toISOString(), "clock");
    return <span className="bad small">{i18n._("as of {time}, reconnecting", { time })}</span>;
  }
  return (
    <span className="soft small">
      <StatusDot status={waiting ? "waiting" : "good"} label="" />
      {waiting ? i18n._("waiting for you") : i18n._("live")}
    </span>
  );
}

/** Keys of rows that were not there when the page was opened, for as long as they are new. */
function useFresh(rows: readonly Row[]): ReadonlySet<string> {
  const known = useRef<ReadonlySet<string> | null>(null);
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => {
    const now = new Set(rows.map((row) => row.id));
    const before = known.current;
    known.current = now;
    if (before) setFresh(new Set([...now].filter((id) => !before.has(id))));
  }, [rows]);
  return fresh;
}
