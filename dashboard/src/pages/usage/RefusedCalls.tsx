// Requests that were refused at once, and why: they cost nothing and have no receipt, so that no list of requests has them.
import { i18n } from "@lingui/core";
import { useQuery } from "@tanstack/react-query";
import type { Documents } from "../../api/client.ts";
import { type Column, DataTable } from "../../parts/DataTable.tsx";
import { count } from "../../parts/numbers.ts";
import { Section } from "../../parts/Page.tsx";
import { Time } from "../../parts/Time.tsx";
import { useScope } from "../../shell/account.tsx";
import { type KeyNames, useKeyNames } from "./keyNames.ts";
import { refusedQuery } from "./queries.ts";

type Refused = Documents["RefusedCallsDocument"];

/** For the account or one key. Shows nothing if nothing was refused. */
export function RefusedCalls({ of: key }: { of?: string }) {
  const { account } = useScope();
  const names = useKeyNames();
  const { data: rows = [] } = useQuery(refusedQuery(account.id, key));
  if (rows.length === 0) return null;
  return (
    <Section title={i18n._("Refused in the last 7 days")}>
      <DataTable label={i18n._("Refused requests")} rows={rows} columns={columns(key === undefined, names)} rowKey={(each) => `${each.key} ${each.code}`} />
    </Section>
  );
}

function columns(byKey: boolean, names: KeyNames): Column<Refused>[] {
  const ofKey = (each: Refused) => (each.key === null ? i18n._("other keys") : names(each.key));
  return [
    { id: "why", head: i18n._("Reason"), wide: true, cell: (each) => <span className="strong">{refusalName(each.code)}</span>, ...(byKey && { under: ofKey }) },
    ...(byKey ? [{ id: "key", head: i18n._("Key"), narrow: "hide", cell: ofKey } satisfies Column<Refused>] : []),
    { id: "calls", head: i18n._("Requests"), align: "end", cell: (each) => count(each.calls) },
    { id: "hour", head: i18n._("Last seen (hour)"), align: "end", narrow: "hide", cell: (each) => <Time at={each.hour} as="moment" /> },
  ];
}

/** What the error said, and what helps. */
function refusalName(code: string): string {
  const names: Record<string, string> = {
    insufficient_quota: i18n._("Balance, limit or budget too low: top up or raise it"),
    rate_limit_exceeded: i18n._("Too many requests at once or per minute: slow down or raise the limit"),
    permission_denied: i18n._("Not allowed for this key: check its models, providers and addresses"),
    invalid_api_key: i18n._("The key has expired: create another"),
    invalid_request: i18n._("Invalid request: the error names the field"),
    context_length_exceeded: i18n._("More tokens than the model accepts"),
    model_not_found: i18n._("Unknown model: the error names the closest match"),
    free_models_disabled: i18n._("Free models need your consent in Settings"),
    request_too_large: i18n._("The request is too large"),
    no_provider_available: i18n._("No provider was available: loosen the rules or try again"),
    unavailable: i18n._("This service was unavailable: try again"),
  };
  return names[code] ?? code;
}
