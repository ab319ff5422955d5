// Payees: listed, added, removed.
import { i18n } from "@lingui/core";
import { Button, Modal } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { type Documents, Problem } from "../../api/client.ts";
import { type Column, DataTable } from "../../parts/DataTable.tsx";
import { FormProblem } from "../../parts/forms.tsx";
import { Section } from "../../parts/Page.tsx";
import { Empty } from "../../parts/States.tsx";
import { StatusDot } from "../../parts/StatusDot.tsx";
import { showTime, Time } from "../../parts/Time.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import style from "./Billing.module.css";
import { methodName, payeeKind } from "./describe.ts";
import { payeesQuery, removePayee } from "./queries.ts";

type Payee = Documents["PayeeDocument"];
type Outlook = Documents["AccountOutlookDocument"];

const DAY_MS = 86_400_000;

export function Payees({ outlook }: { outlook: Outlook | undefined }) {
  const { account } = useScope();
  const spends = useRight("spend");
  const { data: payees } = useQuery(payeesQuery(account.id));
  if (payees === undefined || outlook === undefined) return null;
  const there = payees.filter((payee) => payee.removed_at === null);
  const payable = Object.keys(outlook.payee_kinds).length > 0;
  if (there.length === 0 && !payable) return null;
  const add = spends && payable && (
    <Link to="/billing/withdrawals/payee" className={there.length === 0 ? "strong" : undefined}>
      {i18n._("Add a payee")}
    </Link>
  );
  return (
    <Section title={i18n._("Payees")} aside={there.length > 0 && add}>
      {there.length === 0 ? (
        <Empty title={i18n._("No payees yet")} action={add}>
          {i18n._("Referral rewards, cashback and old top-ups are paid to a payee. Withdrawals to the original payment do not need one.")}
        </Empty>
      ) : (
        <DataTable label={i18n._("Payees")} rows={there} columns={columns(outlook, spends)} rowKey={(payee) => payee.id} />
      )}
    </Section>
  );
}

/** Whether it can be paid now. */
export function isPayable(payee: Payee, outlook: Outlook): boolean {
  if (payee.removed_at !== null) return false;
  return payee.verified_at !== null || (outlook.payee_days > 0 && waitsUntil(payee, outlook) <= Date.now());
}

function waitsUntil(payee: Payee, outlook: Outlook): number {
  return Date.parse(payee.added_at) + outlook.payee_days * DAY_MS;
}

function columns(outlook: Outlook, spends: boolean): Column<Payee>[] {
  return [
    { id: "address", head: i18n._("Address"), cell: (payee) => <span className="strong">{payee.address ?? "–"}</span> },
    { id: "kind", head: i18n._("Kind"), narrow: "hide", cell: (payee) => <span className="soft">{payeeKind(payee.kind)}</span> },
    { id: "state", head: i18n._("State"), wide: true, cell: (payee) => <State of={payee} outlook={outlook} /> },
    { id: "added", head: i18n._("Added"), narrow: "hide", cell: (payee) => <Time at={payee.added_at} as="day" /> },
    { id: "acts", head: "", align: "end", cell: (payee) => spends && <Remove of={payee} /> },
  ];
}

function State({ of: payee, outlook }: { of: Payee; outlook: Outlook }) {
  const payable = isPayable(payee, outlook);
  return (
    <>
      <StatusDot status={payable ? "good" : "waiting"} label="" />
      {payable ? i18n._("ready") : beingChecked(payee, outlook)}
    </>
  );
}

function beingChecked(payee: Payee, outlook: Outlook): string {
  if (outlook.payee_days === 0) return i18n._("being checked");
  const day = showTime(new Date(waitsUntil(payee, outlook)).toISOString(), "day");
  return i18n._("being checked; ready by {day}", { day });
}

function Remove({ of: payee }: { of: Payee }) {
  const { account } = useScope();
  const client = useQueryClient();
  const [asks, setAsks] = useState(false);
  const removed = useMutation({
    mutationFn: () => removePayee(account.id, payee.id),
    onSuccess: async () => {
      setAsks(false);
      await client.invalidateQueries({ queryKey: payeesQuery(account.id).queryKey });
    },
  });
  return (
    <>
      <button type="button" className={style.act} onClick={() => setAsks(true)}>
        {i18n._("Remove")}
      </button>
      <Modal
        opened={asks}
        onClose={() => setAsks(false)}
        title={i18n._("Remove {payee}", { payee: payee.address ?? methodName(payee.processor) })}
        closeButtonProps={{ "aria-label": i18n._("Close") }}
      >
        <div className="stack">
          <p>{i18n._("The address is erased. To pay this payee again, add it again; we then check it again.")}</p>
          <FormProblem problem={removed.error instanceof Problem ? removed.error : null} />
          <div className="row">
            <Button color="signal" onClick={() => removed.mutate()} loading={removed.isPending}>
              {i18n._("Remove")}
            </Button>
            <Button variant="default" onClick={() => setAsks(false)} data-autofocus>
              {i18n._("Keep")}
            </Button>
          </div>
        </div>
      </Modal>
    </>
  );
}
