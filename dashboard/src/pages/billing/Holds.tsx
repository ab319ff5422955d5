// Current holds and their requests, oldest first.
import { i18n } from "@lingui/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useCallback } from "react";
import type { Documents } from "../../api/client.ts";
import { useLiveEvent } from "../../api/live.ts";
import { type Column, DataTable } from "../../parts/DataTable.tsx";
import { Money } from "../../parts/Money.tsx";
import { Section } from "../../parts/Page.tsx";
import { Time } from "../../parts/Time.tsx";
import { useScope } from "../../shell/account.tsx";
import { holdsQuery } from "./queries.ts";

type Hold = Documents["HoldDocument"];

export function Holds() {
  const { account, live } = useScope();
  const client = useQueryClient();
  const { data: holds } = useQuery(holdsQuery(account.id));
  const refresh = useCallback(() => void client.invalidateQueries({ queryKey: holdsQuery(account.id).queryKey }), [client, account.id]);
  useLiveEvent(live, "balance", refresh);
  if (!holds) return null; // the figure above states the sum
  return (
    <Section title={i18n._("Held now")}>
      {holds.oldest.length === 0 ? (
        <p className="soft">{i18n._("No open requests, so nothing is held.")}</p>
      ) : (
        <>
          <DataTable label={i18n._("Held now")} rows={holds.oldest} columns={columns()} rowKey={(hold) => hold.request} />
          {holds.count > holds.oldest.length && (
            <p className="soft small">{i18n._("Showing the oldest {shown} of {count}.", { shown: holds.oldest.length, count: holds.count })}</p>
          )}
        </>
      )}
    </Section>
  );
}

function columns(): Column<Hold>[] {
  return [
    { id: "since", head: i18n._("Since"), cell: (hold) => <Time at={hold.since} as="moment" /> },
    {
      id: "key",
      head: i18n._("Key"),
      cell: (hold) => (
        <Link to="/keys/$keyId" params={{ keyId: hold.key }}>
          {hold.key_name || i18n._("unnamed")}
        </Link>
      ),
    },
    { id: "model", head: i18n._("Model"), wide: true, narrow: "hide", cell: (hold) => <span className="soft">{state(hold)}</span> },
    { id: "usd", head: i18n._("Held"), align: "end", cell: (hold) => <Money usd={hold.usd} /> },
  ];
}

/** A request's model is recorded when it ends, a task's at once. */
function state(hold: Hold): string {
  if (!hold.open && hold.model === null) return i18n._("interrupted; released or billed soon");
  return hold.model ?? i18n._("known when it ends");
}
