// The same usage divided by model, key or provider; a row leads to its requests.
import { i18n } from "@lingui/core";
import { SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { share } from "../../parts/amounts.ts";
import { type Column, DataTable } from "../../parts/DataTable.tsx";
import { Money } from "../../parts/Money.tsx";
import { compact, count } from "../../parts/numbers.ts";
import { Section } from "../../parts/Page.tsx";
import { Await } from "../../parts/States.tsx";
import { useScope } from "../../shell/account.tsx";
import { type KeyNames, useKeyNames } from "./keyNames.ts";
import { type Total, usageQuery } from "./queries.ts";
import type { Span } from "./ranges.ts";
import { inputTokens } from "./totals.ts";
import style from "./Usage.module.css";

export const DIVISIONS = ["model", "key", "provider"] as const;
export type Division = (typeof DIVISIONS)[number];

export function Breakdown({ span, total }: { span: Span; total: Total }) {
  const { account } = useScope();
  const { by = "model" } = useSearch({ from: "/shell/usage" });
  const navigate = useNavigate({ from: "/usage" });
  const names = useKeyNames();
  const usage = useQuery(usageQuery(account.id, span, by));
  const labels = divisionNames();
  return (
    <Section
      title={i18n._("What it was spent on")}
      aside={
        <SegmentedControl
          aria-label={i18n._("Divided by")}
          data={DIVISIONS.map((each) => ({ value: each, label: labels[each] }))}
          value={by}
          onChange={(value) => void navigate({ search: (now) => ({ ...now, by: value }), replace: true, resetScroll: false })}
        />
      }
    >
      <Await query={usage} rows={4}>
        {(report) => (
          <DataTable
            label={labels[by]}
            rows={dearestFirst(report.data)}
            columns={columns(by, names, total)}
            rowKey={(row) => row[by] ?? ""}
            onOpen={(row) => row[by] && void navigate({ to: "/usage/requests", search: { [by]: row[by] } })}
          />
        )}
      </Await>
    </Section>
  );
}

function divisionNames(): Record<Division, string> {
  return { model: i18n._("Model"), key: i18n._("Key"), provider: i18n._("Provider") };
}

function columns(by: Division, names: KeyNames, total: Total): Column<Total>[] {
  return [
    { id: "name", head: divisionNames()[by], wide: true, cell: (row) => <Name of={by === "key" ? names(row.key) : row[by]} /> },
    { id: "calls", head: i18n._("Calls"), align: "end", cell: (row) => count(row.requests) },
    { id: "unbilled", head: i18n._("Not billed"), align: "end", narrow: "hide", cell: (row) => some(row.unbilled) },
    { id: "in", head: i18n._("In"), align: "end", narrow: "hide", cell: (row) => compact(inputTokens(row)) },
    { id: "cached", head: i18n._("Cached"), align: "end", narrow: "hide", cell: (row) => percent(row.cache_share_bp) },
    { id: "out", head: i18n._("Out"), align: "end", narrow: "hide", cell: (row) => compact(row.output) },
    { id: "cost", head: i18n._("Cost"), align: "end", cell: (row) => <span className="strong"><Money usd={row.cost_usd} /></span> },
    { id: "share", head: i18n._("Share"), narrow: "hide", cell: (row) => <Share of={share(row.cost_usd, total.cost_usd)} /> },
  ];
}

function Name({ of }: { of: string | null | undefined }) {
  return of ? <span className="strong">{of}</span> : <span className="soft">{i18n._("nobody served it")}</span>;
}

function some(number: number) {
  return number > 0 ? <span className="bad">{count(number)}</span> : <span className="soft">0</span>;
}

function percent(basisPoints: number) {
  return (
    <>
      {Math.floor(basisPoints / 100)}
      <span className="soft">%</span>
    </>
  );
}

function Share({ of }: { of: number }) {
  return (
    <span className={style.share} role="img" aria-label={`${Math.round(of * 100)}%`}>
      <span style={{ width: `${of * 100}%` }} />
    </span>
  );
}

function dearestFirst(rows: readonly Total[]): readonly Total[] {
  return rows.toSorted((one, other) => Number(other.cost_usd) - Number(one.cost_usd) || other.requests - one.requests);
}
