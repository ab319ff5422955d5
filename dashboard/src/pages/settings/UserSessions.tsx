// The user's sessions, each with a button that signs it out.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, ask, Problem } from "../../api/client.ts";
import { Confirm } from "../../parts/Confirm.tsx";
import { type Column, DataTable } from "../../parts/DataTable.tsx";
import { FormProblem } from "../../parts/forms.tsx";
import { Section } from "../../parts/Page.tsx";
import { Await } from "../../parts/States.tsx";
import { Time } from "../../parts/Time.tsx";
import { agentName } from "./agents.ts";
import { type UserSession, userSessionsQuery } from "./queries.ts";
import { RowAct } from "./SettingsPage.tsx";

export function UserSessions() {
  const client = useQueryClient();
  const sessions = useQuery(userSessionsQuery);
  const refresh = () => client.invalidateQueries({ queryKey: userSessionsQuery.queryKey });
  const end = useMutation({
    mutationFn: (session_id: string) => ask(api.DELETE("/api/user/sessions/{session_id}", { params: { path: { session_id } } })),
    onSettled: refresh,
  });
  const others = (sessions.data?.length ?? 0) > 1;
  return (
    <Section title={i18n._("Where you are signed in")} aside={others && <EndOthers refresh={refresh} />}>
      <FormProblem problem={end.error instanceof Problem ? end.error : null} />
      <Await query={sessions} rows={3}>
        {(all) => (
          <DataTable
            label={i18n._("Sessions")}
            rows={all}
            columns={columns((session) => end.mutate(session.id))}
            rowKey={(session) => session.id}
          />
        )}
      </Await>
    </Section>
  );
}

function columns(end: (session: UserSession) => void): Column<UserSession>[] {
  return [
    { id: "agent", head: i18n._("Browser or program"), wide: true, cell: (session) => <Agent of={session} /> },
    { id: "address", head: i18n._("Address"), narrow: "hide", cell: (session) => <span className="mono soft">{session.address || "–"}</span> },
    { id: "since", head: i18n._("Signed in"), narrow: "tablet", cell: (session) => <Time at={session.created_at} as="moment" /> },
    { id: "seen", head: i18n._("Last used"), cell: (session) => <Seen of={session} /> },
    { id: "end", head: "", align: "end", cell: (session) => !session.current && <End of={session} end={end} /> },
  ];
}

function Agent({ of: session }: { of: UserSession }) {
  return (
    <span title={session.agent}>
      <span className="strong">{agentName(session.agent)}</span>
      {session.current && <span className="soft"> · {i18n._("current")}</span>}
    </span>
  );
}

function Seen({ of: session }: { of: UserSession }) {
  return session.current ? <span className="good">{i18n._("now")}</span> : <Time at={session.seen_at} as="moment" />;
}

function End({ of: session, end }: { of: UserSession; end: (session: UserSession) => void }) {
  return (
    <RowAct act={() => end(session)}>
      {i18n._("Sign out")}
    </RowAct>
  );
}

function EndOthers({ refresh }: { refresh: () => Promise<unknown> }) {
  const [asks, setAsks] = useState(false);
  return (
    <>
      <Button variant="default" onClick={() => setAsks(true)}>
        {i18n._("Sign out everywhere else")}
      </Button>
      <Confirm
        opened={asks}
        title={i18n._("Sign out everywhere else")}
        words={i18n._("All other sessions end now. API keys and management keys keep working.")}
        label={i18n._("Sign out everywhere else")}
        act={async () => {
          await ask(api.DELETE("/api/user/sessions"));
          await refresh();
        }}
        onClose={() => setAsks(false)}
      />
    </>
  );
}
