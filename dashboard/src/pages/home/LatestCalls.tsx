// The last ten requests, live.
import { i18n } from "@lingui/core";
import { VisuallyHidden } from "@mantine/core";
import { useRouter } from "@tanstack/react-router";
import type { Documents } from "../../api/client.ts";
import { isZero } from "../../parts/amounts.ts";
import { type Column, DataTable, useStillRows } from "../../parts/DataTable.tsx";
import { Liveness, useFresh } from "../../parts/LiveRows.tsx";
import { Cost } from "../../parts/Money.tsx";
import { Section } from "../../parts/Page.tsx";
import { Ended, TokenCount } from "../../parts/requestCells.tsx";
import { requestNote, tokensIn, tokensOut } from "../../parts/requests.ts";
import { useScope } from "../../shell/account.tsx";
import style from "./Home.module.css";

type Row = Documents["RequestDocument"];

export function LatestCalls({ requests }: { requests: readonly Row[] }) {
  const router = useRouter();
  const { live } = useScope();
  const { rows, waiting, hold } = useStillRows(requests);
  const fresh = useFresh(rows);
  return (
    <Section title={i18n._("Latest requests")} aside={<Liveness live={live} waiting={waiting} />}>
      <div {...hold}>
        <DataTable
          label={i18n._("Latest requests")}
          rows={rows}
          columns={columns()}
          rowKey={(row) => row.id}
          fresh={fresh}
          onOpen={(row) => router.history.push(`/dashboard/usage/requests/${row.id}`)}
        />
      </div>
    </Section>
  );
}

function columns(): Column<Row>[] {
  return [
    { id: "time", head: i18n._("Time"), cell: (row) => <Ended request={row} /> },
    { id: "model", head: i18n._("Model"), wide: true, cell: (row) => <span className="strong">{row.model ?? "–"}</span> },
    { id: "provider", head: i18n._("Provider"), narrow: "laptop", cell: (row) => <span className="soft">{row.provider ?? "–"}</span> },
    { id: "in", head: i18n._("In"), align: "end", narrow: "hide", cell: (row) => <TokenCount count={tokensIn(row)} /> },
    { id: "out", head: i18n._("Out"), align: "end", narrow: "hide", cell: (row) => <TokenCount count={tokensOut(row)} /> },
    { id: "cost", head: i18n._("Cost"), align: "end", cell: (row) => <CostOnAnyScreen row={row} /> },
    { id: "note", head: <VisuallyHidden>{i18n._("Note")}</VisuallyHidden>, narrow: "laptop", cell: (row) => <span className="soft small">{requestNote(row)}</span> },
  ];
}

/** Without room for a notes column, a free request says why beside its cost. */
function CostOnAnyScreen({ row }: { row: Row }) {
  return (
    <>
      {isZero(row.cost_usd) && <span className={`soft small ${style.onSmall}`}>{requestNote(row)} · </span>}
      <Cost usd={row.cost_usd} />
    </>
  );
}
