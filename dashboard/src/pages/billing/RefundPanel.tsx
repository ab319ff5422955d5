// A refund: what exactly comes back and what leaves with it, before the click.
import { i18n } from "@lingui/core";
import { Button, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { type Documents, newIdempotencyKey, Problem } from "../../api/client.ts";
import { isZero, toCents } from "../../parts/amounts.ts";
import { Drawer } from "../../parts/Drawer.tsx";
import { FormProblem } from "../../parts/forms.tsx";
import { Empty, Loading } from "../../parts/States.tsx";
import { StatusDot } from "../../parts/StatusDot.tsx";
import { Waterline } from "../../parts/Waterline.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import style from "./Billing.module.css";
import { inCurrency, methodName, refundState } from "./describe.ts";
import { askRefund, awaitedTopUpQuery, lotsQuery, type Refund, refundPreviewQuery } from "./queries.ts";

const TYPING_MS = 400;

export function RefundPanel() {
  const { account } = useScope();
  const { topUpId } = useParams({ from: "/shell/billing/top-ups/$topUpId/refund" });
  const navigate = useNavigate();
  const client = useQueryClient();
  const [key, setKey] = useState(newIdempotencyKey);
  const refund = useMutation({
    mutationFn: (amount_usd: string | null) => askRefund(account.id, topUpId, key, amount_usd),
    onSuccess: () => client.invalidateQueries({ queryKey: ["account", account.id], predicate: ({ queryKey }) => queryKey[2] !== "refund-preview" }),
  });
  const close = () => void navigate({ to: "/billing/top-ups" });
  const spends = useRight("spend");
  return (
    <Drawer title={i18n._("Refund")} onClose={close}>
      {refund.data ? (
        <Asked refund={refund.data} onDone={close} />
      ) : spends ? (
        <Preview
          topUpId={topUpId}
          busy={refund.isPending}
          problem={refund.error instanceof Problem ? refund.error : null}
          onAmount={() => setKey(newIdempotencyKey())} // another amount is another refund
          onAsk={refund.mutate}
        />
      ) : (
        <Empty title={i18n._("Your role does not allow this")}>{i18n._("Somebody who may spend can ask for a refund.")}</Empty>
      )}
    </Drawer>
  );
}

interface PreviewProps {
  topUpId: string;
  busy: boolean;
  problem: Problem | null;
  onAmount: () => void;
  onAsk: (amount_usd: string | null) => void;
}

function Preview({ topUpId, busy, problem, onAmount, onAsk }: PreviewProps) {
  const { account } = useScope();
  const [text, setText] = useState("");
  const typed = text.trim().replace(/^\$/, "");
  const [wanted] = useDebouncedValue(typed, TYPING_MS);
  const amount = wanted === "" ? null : wanted;
  const preview = useQuery(refundPreviewQuery(account.id, topUpId, amount));
  const topUp = useQuery(awaitedTopUpQuery(account.id, topUpId));
  const lots = useQuery(lotsQuery(account.id));
  const refused = preview.error instanceof Problem ? preview.error : null;
  const settled = typed === wanted && preview.data !== undefined;
  if (refused && amount === null) return <Empty title={i18n._("Nothing of it can come back.")}>{refused.message}</Empty>;
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        if (settled) onAsk(amount);
      }}
    >
      <div className={style.preview} aria-live="polite">
        {preview.data && topUp.data ? <Words preview={preview.data} processor={methodName(topUp.data.processor)} /> : <Loading rows={2} />}
      </div>
      {lots.data && <Waterline lots={lots.data} labels={false} />}
      <TextInput
        label={i18n._("Credit to refund")}
        description={i18n._("Empty: all that is unused.")}
        leftSection="$"
        inputMode="decimal"
        autoComplete="off"
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
          onAmount();
        }}
        error={refused?.message}
      />
      <FormProblem problem={problem} />
      <Button type="submit" disabled={!settled} loading={busy} style={{ alignSelf: "flex-start" }}>
        {preview.data ? i18n._("Refund {money}", { money: inCurrency(preview.data.amount, preview.data.currency) }) : i18n._("Refund")}
      </Button>
    </form>
  );
}

/** All that happens, in sentences. */
function Words({ preview, processor }: { preview: Documents["RefundPreviewDocument"]; processor: string }) {
  const money = inCurrency(preview.amount, preview.currency);
  const sentences = [
    i18n._("{amount} of credit leaves your balance.", { amount: toCents(preview.credit_usd) }),
    !isZero(preview.locked_usd) && i18n._("{amount} locked match is cancelled.", { amount: toCents(preview.locked_usd) }),
    !isZero(preview.cashback_usd) && i18n._("{amount} cashback is taken back.", { amount: toCents(preview.cashback_usd) }),
    !isZero(preview.reduced_usd) &&
      i18n._("{amount} less than the credit: cashback of it that you have spent.", { amount: toCents(preview.reduced_usd) }),
    preview.review && i18n._("Somebody looks at it first. You will hear by mail."),
  ].filter(Boolean);
  return (
    <>
      <p className="soft">{i18n._("You get back")}</p>
      <p className={`figure ${style.balance}`}>{money}</p>
      <p className="strong">{i18n._("to {processor}", { processor })}</p>
      <ul className={style.sentences}>
        {sentences.map((sentence) => (
          <li key={String(sentence)}>{sentence}</li>
        ))}
      </ul>
    </>
  );
}

function Asked({ refund, onDone }: { refund: Refund; onDone: () => void }) {
  const { status, label } = refundState(refund);
  return (
    <div className="stack">
      <div>
        <p className={`figure ${style.balance}`}>{inCurrency(refund.amount, refund.currency)}</p>
        <p>
          <StatusDot status={status} label="" />
          {label}
        </p>
      </div>
      <Button onClick={onDone} style={{ alignSelf: "flex-start" }}>
        {i18n._("Done")}
      </Button>
    </div>
  );
}
