// The ledger: every entry that moved credit, newest first, with the balance after it; as CSV too.
import { i18n } from "@lingui/core";
import { Button, SegmentedControl, Select } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import type { Documents } from "../../api/client.ts";
import { LEDGER_TYPES, type LedgerType } from "../../api/ledger.ts";
import { isZero, share, toCents, toDigits } from "../../parts/amounts.ts";
import { type Column, DataTable } from "../../parts/DataTable.tsx";
import { Meter } from "../../parts/Meter.tsx";
import { Page } from "../../parts/Page.tsx";
import { Await, Empty } from "../../parts/States.tsx";
import { Time } from "../../parts/Time.tsx";
import { useScope } from "../../shell/account.tsx";
import style from "./Billing.module.css";
import { entryType } from "./describe.ts";
import { ledgerQuery, matchQuery } from "./queries.ts";
import { useBillingTabs } from "./tabs.ts";

type Entry = Documents["LedgerEntryDocument"];

const ALL = "all";

export function LedgerPage() {
  const { account } = useScope();
  const { type = null } = useSearch({ from: "/shell/billing/ledger" });
  const entries = useInfiniteQuery(ledgerQuery(account.id, type));
  const { fetchNextPage, hasNextPage, isFetchingNextPage } = entries;
  return (
    <Page title={i18n._("Billing")} tabs={useBillingTabs()}>
      <div className={style.tools}>
        <TypeFilter type={type} />
        <Export type={type} />
      </div>
      <MatchProgress type={type} />
      <Await query={entries} rows={12}>
        {({ pages }) => {
          const rows = pages.flatMap((page) => page.data);
          if (rows.length === 0) return <Nothing filtered={type !== null} />;
          const more = hasNextPage ? { load: () => void fetchNextPage(), busy: isFetchingNextPage } : null;
          return <DataTable label={i18n._("Ledger")} rows={rows} columns={columns()} rowKey={(entry) => entry.id} more={more} />;
        }}
      </Await>
    </Page>
  );
}

function TypeFilter({ type }: { type: LedgerType | null }) {
  const navigate = useNavigate();
  const phone = useMediaQuery("(max-width: 47.99em)");
  const choose = (chosen: string | null) => {
    const wanted = LEDGER_TYPES.find((each) => each === chosen);
    void navigate({ to: "/billing/ledger", search: wanted ? { type: wanted } : {} });
  };
  const props = { data: types(), value: type ?? ALL, onChange: choose, "aria-label": i18n._("Entry type") };
  return phone ? <Select {...props} allowDeselect={false} /> : <SegmentedControl {...props} />;
}

function types() {
  return [
    { value: ALL, label: i18n._("All") },
    { value: "top_ups", label: i18n._("Top-ups") },
    { value: "spending", label: i18n._("Spending") },
    { value: "cashback", label: i18n._("Cashback") },
    { value: "referral", label: i18n._("Referral") },
    { value: "promotional", label: i18n._("Promotional") },
  ];
}

function Export({ type }: { type: LedgerType | null }) {
  const { account } = useScope();
  return (
    <Button
      className="push"
      variant="default"
      component="a"
      download
      href={`/api/accounts/${account.id}/ledger.csv${type ? `?type=${type}` : ""}`}
    >
      {i18n._("Export CSV")}
    </Button>
  );
}

function Nothing({ filtered }: { filtered: boolean }) {
  const navigate = useNavigate();
  if (!filtered)
    return <Empty title={i18n._("No entries yet")}>{i18n._("Top-ups, grants and requests appear here. Entries never change.")}</Empty>;
  return (
    <Empty
      title={i18n._("No entries of this type")}
      action={
        <Button variant="default" onClick={() => void navigate({ to: "/billing/ledger", search: {} })}>
          {i18n._("Show all")}
        </Button>
      }
    />
  );
}

function columns(): Column<Entry>[] {
  return [
    { id: "at", head: i18n._("Time"), narrow: "hide", cell: (entry) => <Time at={entry.at} as="moment" /> },
    {
      id: "type",
      head: i18n._("Type"),
      cell: (entry) => <span className="strong">{entryType(entry.type)}</span>,
      under: (entry) => <Time at={entry.at} as="moment" />,
    },
    { id: "order", head: i18n._("Order"), wide: true, narrow: "hide", cell: (entry) => <Order of={entry} /> },
    { id: "usd", head: i18n._("Amount"), align: "end", cell: (entry) => <Amount of={entry} /> },
    {
      id: "balance",
      head: i18n._("Balance"),
      align: "end",
      narrow: "tablet",
      cell: (entry) => <span className="soft">{toCents(entry.balance_usd, "down")}</span>,
    },
  ];
}

/** What the entry is about, with a link to it. */
function Order({ of: entry }: { of: Entry }) {
  const id = <span className="mono">{entry.order}</span>;
  if (entry.type === "usage") return <a href={`/dashboard/usage/requests/${entry.order}`}>{id}</a>;
  if (entry.order.startsWith("topup_")) return <a href={`/dashboard/billing/top-ups/${entry.order}`}>{id}</a>;
  return <span className="soft">{id}</span>;
}

/** A signed amount: all digits for a request, cents for others. Entries that only lock or unlock credit say so. */
function Amount({ of: entry }: { of: Entry }) {
  const { usd, locked_usd } = entry;
  if (isZero(usd) && !isZero(locked_usd)) return <span className="soft">{i18n._("{amount} locked", { amount: signed(locked_usd) })}</span>;
  const shown = entry.type === "usage" ? toDigits(usd) : toCents(usd);
  return usd.startsWith("-") ? <span>{shown}</span> : <span className="good">+{shown}</span>;
}

function signed(usd: string): string {
  return usd.startsWith("-") ? toCents(usd) : `+${toCents(usd)}`;
}

/** Progress of the locked match, shown where the list has entries of it. */
function MatchProgress({ type }: { type: LedgerType | null }) {
  const { account } = useScope();
  const { data: match } = useQuery(matchQuery(account.id));
  if (match?.stage !== "granted" || isZero(match.locked_usd) || (type !== null && type !== "promotional")) return null;
  const amounts = { locked: toCents(match.locked_usd), unlocked: toCents(match.unlocked_usd), granted: toCents(match.granted_usd) };
  return (
    <div className={style.progress}>
      <p>
        {i18n._("{unlocked} of your {granted} match is unlocked. {locked} is still locked and not in your balance.", amounts)}{" "}
        <Link to="/rewards">{i18n._("How it unlocks")}</Link>
      </p>
      <Meter used={share(match.unlocked_usd, match.granted_usd)} calm />
    </div>
  );
}
