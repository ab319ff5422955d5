// A refund, with an exact preview: what comes back and which credit is removed.
import { i18n } from "@lingui/core";
import { Button, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { Problem } from "../../api/client.ts";
import { useIntent } from "../../api/intent.ts";
import { isAbove, toDigits } from "../../parts/amounts.ts";
import { Drawer } from "../../parts/Drawer.tsx";
import { FormProblem } from "../../parts/forms.tsx";
import { Empty, Loading } from "../../parts/States.tsx";
import { StatusDot } from "../../parts/StatusDot.tsx";
import { Waterline } from "../../parts/Waterline.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import style from "./Billing.module.css";
import { inCurrency, methodName, refundState } from "./describe.ts";
import { askRefund, awaitedTopUpQuery, lotsQuery, type Refund, refundPreviewQuery } from "./queries.ts";
import { ReturnPreview, typedAmount } from "./ReturnPreview.tsx";

const TYPING_MS = 400;

export function RefundPanel() {
  const { account } = useScope();
  const { topUpId } = useParams({ from: "/shell/billing/top-ups/$topUpId/refund" });
  const navigate = useNavigate();
  const client = useQueryClient();
  const [text, setText] = useState("");
  const intent = useIntent(`${topUpId} ${typedAmount(text)}`); // a new amount is a new refund
  const refund = useMutation({
    mutationFn: () => askRefund(account.id, topUpId, intent(), typedAmount(text)),
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
          text={text}
          onText={setText}
          onAsk={refund.mutate}
        />
      ) : (
        <Empty title={i18n._("Your role does not allow this")}>{i18n._("Members who can spend can request a refund.")}</Empty>
      )}
    </Drawer>
  );
}

interface PreviewProps {
  topUpId: string;
  busy: boolean;
  problem: Problem | null;
  text: string;
  onText: (text: string) => void;
  onAsk: () => void;
}

function Preview({ topUpId, busy, problem, text, onText, onAsk }: PreviewProps) {
  const { account } = useScope();
  const typed = typedAmount(text);
  const [amount] = useDebouncedValue(typed, TYPING_MS);
  const preview = useQuery(refundPreviewQuery(account.id, topUpId, amount));
  const topUp = useQuery(awaitedTopUpQuery(account.id, topUpId));
  const lots = useQuery(lotsQuery(account.id));
  const refused = preview.error instanceof Problem ? preview.error : null;
  const most = useQuery(refundPreviewQuery(account.id, topUpId, null)).data?.max_usd;
  const tooMuch = typed !== null && most !== undefined && isAbove(typed, most);
  const settled = !tooMuch && typed === amount && preview.data !== undefined;
  if (refused && amount === null) return <Empty title={i18n._("Nothing to refund.")}>{refused.message}</Empty>;
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        if (settled) onAsk();
      }}
    >
      <div className={style.preview} aria-live="polite">
        {preview.data && topUp.data ? (
          <ReturnPreview
            of={preview.data}
            to={methodName(topUp.data.processor)}
            then={preview.data.review && i18n._("We review it first. You will get an e-mail.")}
          />
        ) : (
          <Loading rows={2} />
        )}
      </div>
      {lots.data && (
        <figure className={style.leaves}>
          <Waterline lots={lots.data} leaving={preview.data?.leaving ?? []} labels={false} />
          {preview.data && (
            <figcaption className="soft small">
              <i aria-hidden="true" /> {i18n._("removed by the refund")}
            </figcaption>
          )}
        </figure>
      )}
      <TextInput
        label={i18n._("Credit to refund")}
        description={i18n._("Leave empty to refund everything unused.")}
        leftSection="$"
        inputMode="decimal"
        autoComplete="off"
        value={text}
        onChange={(event) => onText(event.currentTarget.value)}
        error={tooMuch ? i18n._("At most {amount} can be refunded.", { amount: toDigits(most) }) : refused?.message}
      />
      <FormProblem problem={problem} />
      <Button type="submit" disabled={!settled} loading={busy} style={{ alignSelf: "flex-start" }}>
        {preview.data ? i18n._("Refund {money}", { money: inCurrency(preview.data.amount, preview.data.currency) }) : i18n._("Refund")}
      </Button>
    </form>
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
