// Every request, newest first, as they end; a row opens its receipt.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Outlet, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { type Column, DataTable, useStillRows } from "../../parts/DataTable.tsx";
import { Liveness, useFresh } from "../../parts/LiveRows.tsx";
import { Cost } from "../../parts/Money.tsx";
import { duration } from "../../parts/numbers.ts";
import { Page } from "../../parts/Page.tsx";
import { Ended, TokenCount } from "../../parts/requestCells.tsx";
import { cachedTokens, requestNote, tokensIn, tokensOut } from "../../parts/requests.ts";
import { Await, Empty, ErrorState } from "../../parts/States.tsx";
import { useScope } from "../../shell/account.tsx";
import { usePageNames } from "../../shell/pageNames.ts";
import { Filters } from "./Filters.tsx";
import { type KeyNames, useKeyNames } from "./keyNames.ts";
import { type RequestFilter, type RequestPage, requestsQuery, usageCsv } from "./queries.ts";
import { useUsageTabs } from "./tabs.ts";
import { ExportButton, FirstCall } from "./UsagePage.tsx";
import { useLatest } from "./useLatest.ts";

type Row = RequestPage["data"][number];

export function RequestsPage() {
  const { account } = useScope();
  const { model, provider, key, status, cache, stage } = useSearch({ from: "/shell/usage/requests" });
  const filter = { model, provider, key, status, cache, stage }; // an address may have other parameters
  const query = useInfiniteQuery(requestsQuery(account.id, filter));
  useLatest(filter);
  const older = {
    load: () => void query.fetchNextPage(),
    busy: query.isFetchingNextPage,
  };
  return (
    <Page title={usePageNames().requests} heading={i18n._("Usage")} tabs={useUsageTabs()} action={<ExportButton href={usageCsv(account.id)} />}>
      <Filters filter={filter} />
      <Await query={query} rows={12}>
        {({ pages }) => (
          <>
            <Requests key={JSON.stringify(filter)} pages={pages} filter={filter} more={query.hasNextPage ? older : null} />
            {query.isFetchNextPageError && <ErrorState error={query.error} retry={older.load} />}
          </>
        )}
      </Await>
      <Outlet />
    </Page>
  );
}

interface Props {
  pages: readonly RequestPage[];
  filter: RequestFilter;
  more: { load: () => void; busy: boolean } | null;
}

/** The first page is live, and pauses while it is being read; older pages follow below. */
function Requests({ pages, filter, more }: Props) {
  const { live } = useScope();
  const navigate = useNavigate({ from: "/usage/requests" });
  const { requestId } = useParams({ strict: false });
  const names = useKeyNames();
  const { key } = usePageNames();
  const still = useStillRows(pages[0]?.data ?? NONE);
  const fresh = useFresh(still.rows);
  const rows = [...still.rows, ...pages.slice(1).flatMap((page) => page.data)];
  if (rows.length === 0) return <Nothing filter={filter} />;
  return (
    <>
      <p className="row">
        <Liveness live={live} waiting={still.waiting} />
      </p>
      <div {...still.hold}>
        <DataTable
          label={i18n._("Requests")}
          rows={rows}
          columns={columns(names, key)}
          rowKey={(row) => row.id}
          fresh={fresh}
          chosen={requestId}
          more={more}
          onOpen={(row) =>
            void navigate({ to: "/usage/requests/$requestId", params: { requestId: row.id }, search: filter, resetScroll: false })
          }
        />
      </div>
    </>
  );
}

const NONE: readonly Row[] = [];

function Nothing({ filter }: { filter: RequestFilter }) {
  const navigate = useNavigate({ from: "/usage/requests" });
  if (Object.values(filter).every((each) => each === undefined)) return <FirstCall />;
  return (
    <Empty
      title={i18n._("No requests match these filters")}
      action={
        <Button variant="default" onClick={() => void navigate({ search: {} })}>
          {i18n._("Clear filters")}
        </Button>
      }
    >
      {i18n._("Matching requests appear here as they finish.")}
    </Empty>
  );
}

function columns(names: KeyNames, key: string): Column<Row>[] {
  return [
    { id: "time", head: i18n._("Time"), cell: (row) => <Ended request={row} /> },
    { id: "model", head: i18n._("Model"), wide: true, cell: (row) => <span className="strong">{row.model || "–"}</span> },
    { id: "provider", head: i18n._("Provider"), narrow: "tablet", cell: (row) => <span className="soft">{row.provider ?? "–"}</span> },
    { id: "key", head: key, narrow: "laptop", cell: (row) => <span className="soft">{names(row.key_id)}</span> },
    { id: "in", head: i18n._("In"), align: "end", narrow: "hide", cell: (row) => <TokenCount count={tokensIn(row)} /> },
    { id: "cached", head: i18n._("Cached"), align: "end", narrow: "tablet", cell: (row) => <TokenCount count={cachedTokens(row)} /> },
    { id: "out", head: i18n._("Out"), align: "end", narrow: "hide", cell: (row) => <TokenCount count={tokensOut(row)} /> },
    { id: "time-taken", head: i18n._("Duration"), align: "end", narrow: "tablet", cell: (row) => <Took ms={row.total_ms} /> },
    { id: "cost", head: i18n._("Cost"), align: "end", cell: (row) => <Cost usd={row.cost_usd} /> },
    { id: "note", head: "", narrow: "laptop", cell: (row) => <span className="soft small">{requestNote(row)}</span> },
  ];
}

function Took({ ms }: { ms: number | undefined }) {
  if (ms === undefined) return "–";
  const { value, unit } = duration(ms);
  return (
    <>
      {value} <span className="soft">{unit}</span>
    </>
  );
}
