// Usage grouped by model, key, label, provider or stage; a row leads to its requests.
import { i18n } from "@lingui/core";
import { SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import type { Documents } from "../../api/client.ts";
import { share } from "../../parts/amounts.ts";
import { type Column, DataTable } from "../../parts/DataTable.tsx";
import { Money } from "../../parts/Money.tsx";
import { compact, count, duration } from "../../parts/numbers.ts";
import { Section } from "../../parts/Page.tsx";
import { stageName } from "../../parts/requests.ts";
import { hasSaved } from "../../parts/Saved.tsx";
import { Await } from "../../parts/States.tsx";
import { useScope } from "../../shell/account.tsx";
import { type KeyNames, useKeyNames } from "./keyNames.ts";
import { stagesQuery, type Total, usageQuery } from "./queries.ts";
import type { Span } from "./ranges.ts";
import { SavedCell } from "./Savings.tsx";
import { inputTokens } from "./totals.ts";
import style from "./Usage.module.css";

const DIVISIONS = ["model", "key", "label", "provider"] as const;
type Dimension = (typeof DIVISIONS)[number];
export type Division = Dimension | "stage";

export function Breakdown({ span, total }: { span: Span; total: Total }) {
  const { account } = useScope();
  const { by: wanted = "model" } = useSearch({ from: "/shell/usage" });
  const navigate = useNavigate({ from: "/usage" });
  const staged = useQuery({ ...stagesQuery(account.id, span), enabled: span.by === "day" }).data ?? [];
  const stages = span.by === "day" && staged.length > 0; // stages are recorded by the day
  const by = wanted === "stage" && !stages ? "model" : wanted;
  const labels = divisionNames();
  return (
    <Section
      title={i18n._("Spending breakdown")}
      aside={
        <SegmentedControl
          aria-label={i18n._("Group by")}
          data={[...DIVISIONS, ...(stages ? (["stage"] as const) : [])].map((each) => ({ value: each, label: labels[each] }))}
          value={by}
          onChange={(value) => void navigate({ search: (now) => ({ ...now, by: value }), replace: true, resetScroll: false })}
        />
      }
    >
      {by === "stage" ? <ByStage rows={staged} total={total} /> : <ByDimension by={by} span={span} total={total} />}
    </Section>
  );
}

function ByDimension({ by, span, total }: { by: Dimension; span: Span; total: Total }) {
  const { account } = useScope();
  const navigate = useNavigate({ from: "/usage" });
  const names = useKeyNames();
  const usage = useQuery(usageQuery(account.id, span, by));
  return (
    <Await query={usage} rows={4}>
      {(report) => (
        <DataTable
          label={divisionNames()[by]}
          rows={dearestFirst(report.data)}
          columns={columns(by, names, total)}
          rowKey={(row) => row[by] ?? ""}
          onOpen={by === "label" ? undefined : (row) => row[by] && void navigate({ to: "/usage/requests", search: { [by]: row[by] } })}
        />
      )}
    </Await>
  );
}

type Stage = Documents["StageDocument"];

/** For requests to a pool name, such as one that routes by stage. */
function ByStage({ rows, total }: { rows: readonly Stage[]; total: Total }) {
  const navigate = useNavigate({ from: "/usage" });
  const shown: Column<Stage>[] = [
    { id: "name", head: i18n._("Stage"), wide: true, cell: (row) => <Name of={stageName(row.stage)} none="" /> },
    { id: "calls", head: i18n._("Requests"), align: "end", cell: (row) => count(row.requests) },
    { id: "in", head: i18n._("In"), align: "end", narrow: "hide", cell: (row) => compact(row.input_tokens) },
    { id: "out", head: i18n._("Out"), align: "end", narrow: "hide", cell: (row) => compact(row.output_tokens) },
    { id: "cost", head: i18n._("Cost"), align: "end", cell: (row) => <span className="strong"><Money usd={row.cost_usd} /></span> },
    ...(hasSaved(total.saved) ? [saved<Stage>()] : []),
    { id: "share", head: i18n._("Share"), narrow: "laptop", cell: (row) => <Share of={share(row.cost_usd, total.cost_usd)} /> },
  ];
  return (
    <DataTable
      label={i18n._("Stage")}
      rows={dearestFirst(rows)}
      columns={shown}
      rowKey={(row) => row.stage}
      onOpen={({ stage }) => void navigate({ to: "/usage/requests", search: { stage } })}
    />
  );
}

function divisionNames(): Record<Division, string> {
  return { model: i18n._("Model"), key: i18n._("Key"), label: i18n._("Label"), provider: i18n._("Provider"), stage: i18n._("Stage") };
}

function columns(by: Dimension, names: KeyNames, total: Total): Column<Total>[] {
  return [
    { id: "name", head: divisionNames()[by], wide: true, cell: (row) => <Name of={by === "key" ? names(row.key) : row[by]} none={by === "label" ? i18n._("no label") : i18n._("no provider")} /> },
    { id: "calls", head: i18n._("Requests"), align: "end", cell: (row) => count(row.requests) },
    { id: "unbilled", head: i18n._("Not billed"), align: "end", narrow: "hide", cell: (row) => some(row.unbilled) },
    { id: "in", head: i18n._("In"), align: "end", narrow: "hide", cell: (row) => compact(inputTokens(row)) },
    { id: "cached", head: i18n._("Cached"), align: "end", narrow: "tablet", cell: (row) => percent(row.cache_share_bp) },
    { id: "out", head: i18n._("Out"), align: "end", narrow: "hide", cell: (row) => compact(row.output) },
    { id: "first", head: i18n._("First token"), align: "end", narrow: "tablet", cell: (row) => <Mean ms={row.mean_first_content_ms} /> },
    { id: "whole", head: i18n._("Duration"), align: "end", narrow: "tablet", cell: (row) => <Mean ms={row.mean_total_ms} /> },
    { id: "cost", head: i18n._("Cost"), align: "end", cell: (row) => <span className="strong"><Money usd={row.cost_usd} /></span> },
    ...(hasSaved(total.saved) ? [saved<Total>()] : []),
    { id: "share", head: i18n._("Share"), narrow: "laptop", cell: (row) => <Share of={share(row.cost_usd, total.cost_usd)} /> },
  ];
}

function saved<Row extends { saved: Documents["SavedDocument"] }>(): Column<Row> {
  return { id: "saved", head: i18n._("Savings"), align: "end", narrow: "tablet", cell: (row) => <SavedCell usd={row.saved.total_usd} /> };
}

function Name({ of, none }: { of: string | null | undefined; none: string }) {
  return of ? <span className="strong">{of}</span> : <span className="soft">{none}</span>;
}

function some(number: number) {
  return number > 0 ? <span className="bad">{count(number)}</span> : <span className="soft">0</span>;
}

function Mean({ ms }: { ms: number | null }) {
  if (ms === null) return <span className="soft">–</span>;
  const { value, unit } = duration(ms);
  return (
    <>
      {value} <span className="soft">{unit}</span>
    </>
  );
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

function dearestFirst<Row extends { cost_usd: string; requests: number }>(rows: readonly Row[]): readonly Row[] {
  return rows.toSorted((one, other) => Number(other.cost_usd) - Number(one.cost_usd) || other.requests - one.requests);
}
