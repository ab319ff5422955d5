// Client sessions, last used first; a row opens one in a panel.
import { i18n } from "@lingui/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Outlet, useNavigate, useParams } from "@tanstack/react-router";
import { isZero } from "../../parts/amounts.ts";
import { type Column, DataTable } from "../../parts/DataTable.tsx";
import { Money } from "../../parts/Money.tsx";
import { count } from "../../parts/numbers.ts";
import { Page } from "../../parts/Page.tsx";
import { Await, Empty, ErrorState } from "../../parts/States.tsx";
import { Time } from "../../parts/Time.tsx";
import { useScope } from "../../shell/account.tsx";
import { type ClientSession, sessionsQuery } from "./queries.ts";
import { lasted } from "./receiptWords.ts";
import { SavedCell } from "./Savings.tsx";
import { useUsageTabs } from "./tabs.ts";

export function SessionsPage() {
  return (
    <Page title={i18n._("Sessions")} heading={i18n._("Usage")} tabs={useUsageTabs()}>
      <Sessions />
      <Outlet />
    </Page>
  );
}

function Sessions() {
  const { account } = useScope();
  const sessions = useInfiniteQuery(sessionsQuery(account.id));
  const { fetchNextPage, hasNextPage, isFetchingNextPage } = sessions;
  const more = hasNextPage ? { load: () => void fetchNextPage(), busy: isFetchingNextPage } : null;
  const navigate = useNavigate();
  const { sessionId } = useParams({ strict: false });
  return (
    <Await query={sessions} rows={12}>
      {({ pages }) => {
        const rows = pages.flatMap((page) => page.data);
        return rows.length === 0 && !more ? (
          <Empty title={i18n._("No sessions yet")}>
            {i18n._("Claude Code, Codex and opencode send a session ID. Any client can send one in the x-session-id header. Requests of one session appear here together.")}
          </Empty>
        ) : (
          <>
            <DataTable
              label={i18n._("Sessions")}
              rows={rows}
              columns={columns(rows.some((session) => !isZero(session.saved_usd)))}
              rowKey={(session) => session.id}
              chosen={sessionId ?? null}
              more={more}
              onOpen={(session) => void navigate({ to: "/usage/sessions/$sessionId", params: { sessionId: session.id }, resetScroll: false })}
            />
            {sessions.isFetchNextPageError && <ErrorState error={sessions.error} retry={() => void fetchNextPage()} />}
          </>
        );
      }}
    </Await>
  );
}

function columns(saves: boolean): Column<ClientSession>[] {
  return [
    { id: "last", head: i18n._("Last request"), cell: (row) => <Time at={row.last_at} as="dayClock" /> },
    { id: "id", head: i18n._("Session"), wide: true, narrow: "hide", cell: (row) => <span className="mono soft">{row.id}</span> },
    { id: "lasted", head: i18n._("Duration"), align: "end", narrow: "tablet", cell: (row) => lasted(row) },
    { id: "calls", head: i18n._("Requests"), align: "end", cell: (row) => count(row.requests) },
    { id: "cost", head: i18n._("Cost"), align: "end", cell: (row) => <span className="strong"><Money usd={row.cost_usd} /></span> },
    ...(saves ? [saved()] : []),
  ];
}

function saved(): Column<ClientSession> {
  return { id: "saved", head: i18n._("Savings"), align: "end", narrow: "tablet", cell: (row) => <SavedCell usd={row.saved_usd} /> };
}
