// Usage overview: spending over time, and by model, key and others.
import { i18n } from "@lingui/core";
import { Button, SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import type { Documents } from "../../api/client.ts";
import { Money } from "../../parts/Money.tsx";
import { compact, count } from "../../parts/numbers.ts";
import { Page } from "../../parts/Page.tsx";
import { hasSaved } from "../../parts/Saved.tsx";
import { Await, Empty, Loading } from "../../parts/States.tsx";
import { useScope } from "../../shell/account.tsx";
import { Breakdown, type Division } from "./Breakdown.tsx";
import { usageCsv, usageQuery } from "./queries.ts";
import { LONGEST, RANGES, type Range, rangeLabel, rangeName, spanOf, USUAL } from "./ranges.ts";
import { RefusedCalls } from "./RefusedCalls.tsx";
import { showDuration } from "./receiptWords.ts";
import { SavedLine } from "./Savings.tsx";
import { useUsageTabs } from "./tabs.ts";
import { inputTokens } from "./totals.ts";
import style from "./Usage.module.css";
import { UsageChart } from "./UsageChart.tsx";

export interface UsageSearch {
  range?: Range;
  by?: Division;
}

export function UsagePage() {
  const { account } = useScope();
  const { range = USUAL } = useSearch({ from: "/shell/usage" });
  const navigate = useNavigate({ from: "/usage" });
  const span = spanOf(range);
  const usage = useQuery(usageQuery(account.id, span, span.by));
  const choose = (wanted: Range) => navigate({ search: (now) => ({ ...now, range: wanted }), replace: true });
  return (
    <Page title={i18n._("Usage")} tabs={useUsageTabs()} action={<ExportButton href={usageCsv(account.id, span.since)} />}>
      <SegmentedControl
        aria-label={i18n._("Time range")}
        data={RANGES.map((each) => ({ value: each, label: rangeLabel(each) }))}
        value={range}
        onChange={(value) => void choose(value)}
        className={style.ranges}
      />
      <Await query={usage} rows={10}>
        {(report) =>
          report.total.requests === 0 ? (
            <NoCalls range={range} onLonger={() => void choose(LONGEST)} />
          ) : (
            <div data-old={usage.isPlaceholderData} className={style.report}>
              <Totals total={report.total} />
              <UsageChart span={span} rows={report.data} saves={hasSaved(report.total.saved)} />
              <Breakdown span={span} total={report.total} />
            </div>
          )
        }
      </Await>
      <RefusedCalls />
    </Page>
  );
}

export function ExportButton({ href }: { href: string }) {
  return (
    <Button component="a" href={href} download variant="default">
      {i18n._("Export CSV")}
    </Button>
  );
}

function Totals({ total }: { total: Documents["UsageDocument"] }) {
  return (
    <div className={style.totals}>
      <div>
        <p className="soft">{i18n._("Spent")}</p>
        <p className={`figure ${style.spent}`}>
          <Money usd={total.cost_usd} />
        </p>
      </div>
      <div className="soft">
        <p>
          <span className={style.value}>{count(total.requests)}</span>{" "}
          {i18n._("{count, plural, one {request} other {requests}}", { count: total.requests })}
          {total.unbilled > 0 && ` · ${i18n._("{count} not billed", { count: count(total.unbilled) })}${unbilledKinds(total)}`}
        </p>
        <p>
          <span className={style.value}>{compact(inputTokens(total))}</span> {i18n._("tokens in")}
          {total.cache_share_bp > 0 && `, ${i18n._("{percent}% from cache", { percent: Math.floor(total.cache_share_bp / 100) })}`}
          {" · "}
          <span className={style.value}>{compact(total.output)}</span> {i18n._("out")}
        </p>
        <SavedLine saved={total.saved} />
        {total.mean_first_content_ms !== null && total.mean_total_ms !== null && (
          <p>
            <span className={style.value}>{showDuration(total.mean_first_content_ms)}</span> {i18n._("to first token")}
            {" · "}
            <span className={style.value}>{showDuration(total.mean_total_ms)}</span> {i18n._("average duration")}
          </p>
        )}
      </div>
    </div>
  );
}

/** " (2 failed, 1 disconnected)", as far as recorded. */
function unbilledKinds({ failed, hung_up: left }: Documents["UsageDocument"]): string {
  const kinds = [failed > 0 && i18n._("{count} failed", { count: count(failed) }), left > 0 && i18n._("{count} disconnected", { count: count(left) })].filter(Boolean);
  return kinds.length > 0 ? ` (${kinds.join(", ")})` : "";
}

function NoCalls({ range, onLonger }: { range: Range; onLonger: () => void }) {
  const { account } = useScope();
  const { data: ever } = useQuery(usageQuery(account.id, spanOf(LONGEST), "day"));
  if (!ever) return <Loading />;
  if (ever.total.requests === 0) return <FirstCall />;
  return (
    <Empty
      title={i18n._("No requests in the last {span}", { span: rangeName(range) })}
      action={
        <Button variant="default" onClick={onLonger}>
          {i18n._("Show {span}", { span: rangeName(LONGEST) })}
        </Button>
      }
    />
  );
}

/** Shown before the first request. */
export function FirstCall() {
  return (
    <Empty
      title={i18n._("Your first request appears here")}
      action={
        <Button component={Link} to="/" variant="default">
          {i18n._("Send a request")}
        </Button>
      }
    >
      {i18n._("Requests appear as soon as they end, with tokens and exact cost.")}
    </Empty>
  );
}
