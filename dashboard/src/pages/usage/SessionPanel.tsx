// One session in a panel: turns, requests, cost, savings by caches and cached share; then its requests with their stages.
import { i18n } from "@lingui/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import type { Documents } from "../../api/client.ts";
import { type Column, DataTable } from "../../parts/DataTable.tsx";
import { Drawer } from "../../parts/Drawer.tsx";
import { Cost, Money } from "../../parts/Money.tsx";
import { compact, count } from "../../parts/numbers.ts";
import { Ended } from "../../parts/requestCells.tsx";
import { stageName } from "../../parts/requests.ts";
import { Await } from "../../parts/States.tsx";
import { Time } from "../../parts/Time.tsx";
import { useScope } from "../../shell/account.tsx";
import { sessionQuery } from "./queries.ts";
import { lasted } from "./receiptWords.ts";
import { SavedLine } from "./Savings.tsx";
import style from "./Usage.module.css";

type Session = Documents["ClientSessionDetailDocument"];
type Call = Session["data"][number];

export function SessionPanel() {
  const { account } = useScope();
  const { sessionId } = useParams({ from: "/shell/usage/sessions/$sessionId" });
  const navigate = useNavigate({ from: "/usage/sessions/$sessionId" });
  const session = useInfiniteQuery(sessionQuery(account.id, sessionId));
  const { fetchNextPage, hasNextPage, isFetchingNextPage } = session;
  const more = hasNextPage ? { load: () => void fetchNextPage(), busy: isFetchingNextPage } : null;
  return (
    <Drawer title={i18n._("Session")} onClose={() => void navigate({ to: "/usage/sessions", resetScroll: false })}>
      <Await query={session} rows={10}>
        {({ pages }) => {
          const calls = pages.flatMap((page) => page.data);
          return (
            <>
              {pages[0] && <Totals session={pages[0]} />}
              <DataTable
                label={i18n._("Requests")}
                rows={calls}
                columns={columns(calls.some((call) => call.stage))}
                rowKey={(call) => call.id}
                more={more}
                onOpen={(call) => void navigate({ to: "/usage/requests/$requestId", params: { requestId: call.id } })}
              />
            </>
          );
        }}
      </Await>
    </Drawer>
  );
}

function Totals({ session }: { session: Session }) {
  const { turns, requests, cached_bp: cached, input_tokens: input } = session;
  return (
    <div className={style.session}>
      <p className={`figure ${style.spent}`}>
        <Money usd={session.cost_usd} />
      </p>
      <p className="soft">
        {turns !== null && `${i18n._("{count, plural, one {# turn} other {# turns}}", { count: turns })} · `}
        <span className={style.value}>{count(requests)}</span> {i18n._("{count, plural, one {request} other {requests}}", { count: requests })}
        {" · "}
        <span className={style.value}>{compact(input)}</span> {i18n._("tokens in")}
        {cached !== null && cached > 0 && `, ${i18n._("{percent}% from cache", { percent: Math.floor(cached / 100) })}`}
      </p>
      <SavedLine saved={session.saved} className="soft" />
      <p className="soft">
        <Time at={session.first_at} as="moment" /> · {lasted(session)}
      </p>
      <p className="mono soft">{session.id}</p>
    </div>
  );
}

function columns(staged: boolean): Column<Call>[] {
  return [
    { id: "time", head: i18n._("Time"), cell: (call) => <Ended request={call} /> },
    { id: "model", head: i18n._("Model"), wide: true, cell: (call) => <span className="strong">{call.model || "–"}</span> },
    ...(staged ? [{ id: "stage", head: i18n._("Stage"), cell: (call: Call) => <span className="soft">{call.stage ? stageName(call.stage) : "–"}</span> }] : []),
    { id: "cost", head: i18n._("Cost"), align: "end", cell: (call) => <Cost usd={call.cost_usd} /> },
  ];
}
