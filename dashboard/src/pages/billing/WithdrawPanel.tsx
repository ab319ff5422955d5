// Requests a withdrawal: destination, amount, and an exact preview of what arrives.
import { i18n } from "@lingui/core";
import { Button, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { type Documents, Problem } from "../../api/client.ts";
import { useIntent } from "../../api/intent.ts";
import { toCents } from "../../parts/amounts.ts";
import { Drawer } from "../../parts/Drawer.tsx";
import { FormProblem } from "../../parts/forms.tsx";
import { Await, Empty, Loading } from "../../parts/States.tsx";
import { StatusDot } from "../../parts/StatusDot.tsx";
import { showTime } from "../../parts/Time.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import { WithdrawalsBlocked } from "./WithdrawalsBlocked.tsx";
import style from "./Billing.module.css";
import { Choice, Option } from "./Choice.tsx";
import { inCurrency, methodName, withdrawalState } from "./describe.ts";
import { isPayable } from "./Payees.tsx";
import { askWithdrawal, type Destination, outlookQuery, payeesQuery, withdrawalPreviewQuery } from "./queries.ts";
import { ReturnPreview, typedAmount } from "./ReturnPreview.tsx";

type Outlook = Documents["AccountOutlookDocument"];
type Payee = Documents["PayeeDocument"];
type Withdrawal = Documents["WithdrawalDocument"];

const TYPING_MS = 400;

interface Target {
  id: string;
  to: Destination;
  label: string;
  name: string; // the payee; "" for a return to the payer, whom the preview names
}

export function WithdrawPanel() {
  const { account } = useScope();
  const navigate = useNavigate();
  const spends = useRight("spend");
  const outlook = useQuery(outlookQuery(account.id));
  const payees = useQuery(payeesQuery(account.id));
  const [done, setDone] = useState<Withdrawal | null>(null);
  const close = () => void navigate({ to: "/billing/withdrawals" });
  return (
    <Drawer title={i18n._("Withdraw")} onClose={close}>
      {done ? (
        <Asked withdrawal={done} onDone={close} />
      ) : spends ? (
        <Await query={outlook} rows={4}>
          {(found) => <Await query={payees}>{(known) => <Form targets={targets(found, known)} outlook={found} onDone={setDone} />}</Await>}
        </Await>
      ) : (
        <Empty title={i18n._("Your role does not allow this")}>{i18n._("Members who can spend can request a withdrawal.")}</Empty>
      )}
    </Drawer>
  );
}

function Form({ targets: all, outlook, onDone }: { targets: readonly Target[]; outlook: Outlook; onDone: (made: Withdrawal) => void }) {
  const { account } = useScope();
  const client = useQueryClient();
  const [chosen, setChosen] = useState(all[0]?.id ?? "");
  const [text, setText] = useState("");
  const target = all.find((each) => each.id === chosen);
  const intent = useIntent(`${chosen} ${typedAmount(text)}`); // a new amount is a new withdrawal
  const ask = useMutation({
    mutationFn: (to: Destination) => askWithdrawal(account.id, intent(), to, typedAmount(text)),
    onSuccess: async (made) => {
      onDone(made);
      await client.invalidateQueries({ queryKey: ["account", account.id] });
    },
  });
  if (target === undefined) return <Empty title={i18n._("Nothing can be withdrawn now.")}>{outlook.frozen === null ? nothing(outlook) : <WithdrawalsBlocked outlook={outlook} />}</Empty>;
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        ask.mutate(target.to);
      }}
    >
      {all.length > 1 && (
        <Choice legend={i18n._("Destination")}>
          {all.map((each) => (
            <Option key={each.id} name="target" label={each.label} chosen={each.id === chosen} choose={() => setChosen(each.id)} />
          ))}
        </Choice>
      )}
      {all.length === 1 && <p className="soft">{target.label}</p>}
      <Preview
        key={target.id}
        target={target}
        outlook={outlook}
        text={text}
        onText={setText}
        busy={ask.isPending}
        problem={ask.error instanceof Problem ? ask.error : null}
      />
    </form>
  );
}

interface PreviewProps {
  target: Target;
  outlook: Outlook;
  text: string;
  onText: (text: string) => void;
  busy: boolean;
  problem: Problem | null;
}

function Preview({ target, outlook, text, onText, busy, problem }: PreviewProps) {
  const { account } = useScope();
  const typed = typedAmount(text);
  const [amount] = useDebouncedValue(typed, TYPING_MS);
  const { data, error } = useQuery(withdrawalPreviewQuery(account.id, target.to, amount));
  const refused = error instanceof Problem ? error : null;
  const settled = typed === amount && data !== undefined;
  return (
    <>
      <div className={style.preview} aria-live="polite">
        {data && (
          <ReturnPreview
            of={data}
            to={target.name || methodName(data.processor)}
            then={data.approval && i18n._("We approve it first. You can cancel until then.")}
          />
        )}
        {!data && !refused && <Loading rows={2} />}
        {refused && amount === null && <Empty title={i18n._("Nothing can be withdrawn this way now.")}>{refused.message}</Empty>}
      </div>
      <TextInput
        label={i18n._("Credit to withdraw")}
        description={i18n._("Leave empty to withdraw everything available this way. Minimum {least}.", { least: toCents(outlook.min_usd) })}
        leftSection="$"
        inputMode="decimal"
        autoComplete="off"
        value={text}
        onChange={(event) => onText(event.currentTarget.value)}
        error={amount !== null && refused?.message}
      />
      <FormProblem problem={problem} />
      <Button type="submit" disabled={!settled} loading={busy} style={{ alignSelf: "flex-start" }}>
        {data ? i18n._("Withdraw {money}", { money: inCurrency(data.amount, data.currency) }) : i18n._("Withdraw")}
      </Button>
    </>
  );
}

function Asked({ withdrawal, onDone }: { withdrawal: Withdrawal; onDone: () => void }) {
  const { status, label } = withdrawalState(withdrawal);
  return (
    <div className="stack">
      <div>
        <p className={`figure ${style.balance}`}>{inCurrency(withdrawal.amount, withdrawal.currency)}</p>
        <p>
          <StatusDot status={status} label="" />
          {label}
        </p>
        <p className="soft">{i18n._("{amount} of credit was taken from your balance.", { amount: toCents(withdrawal.credit_usd) })}</p>
      </div>
      <Button onClick={onDone} style={{ alignSelf: "flex-start" }}>
        {i18n._("Done")}
      </Button>
    </div>
  );
}

/** All destinations that can receive something now. */
function targets(outlook: Outlook, payees: readonly Payee[]): Target[] {
  return outlook.ways.flatMap((way): Target[] => {
    const amount = toCents(way.amount_usd, "down");
    const { top_up } = way;
    if (top_up !== null) {
      const day = showTime(outlook.lots.find((part) => part.to === top_up)?.since ?? "", "day");
      return [{ id: top_up, to: { top_up }, label: i18n._("Back to the payment of {day}, up to {amount}", { day, amount }), name: "" }];
    }
    return payees
      .filter((payee) => isPayable(payee, outlook))
      .map((payee) => {
        const name = payee.address ?? methodName(payee.processor);
        return { id: payee.id, to: { payee: payee.id }, label: i18n._("To {payee}, up to {amount}", { payee: name, amount }), name };
      });
  });
}

function nothing(outlook: Outlook): string {
  return outlook.ways.length > 0
    ? i18n._("Withdrawals go to a payee. Add one; we check it before we pay it.")
    : i18n._("Close this panel to see when each part can be withdrawn.");
}
