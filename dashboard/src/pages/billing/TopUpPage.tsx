// Buys credit: how much, in which currency, by what; then the processor's page takes over.
import { i18n } from "@lingui/core";
import { Button, SegmentedControl, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { type Documents, newIdempotencyKey, Problem } from "../../api/client.ts";
import { editionQuery } from "../../api/queries.ts";
import { toDigits } from "../../parts/amounts.ts";
import { FormProblem } from "../../parts/forms.tsx";
import { Page } from "../../parts/Page.tsx";
import { Await, Empty } from "../../parts/States.tsx";
import { timeLeft } from "../../parts/Time.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import style from "./Billing.module.css";
import { methodName } from "./describe.ts";
import { matchQuery, openTopUp } from "./queries.ts";

export function TopUpPage() {
  const edition = useQuery(editionQuery);
  const spends = useRight("spend");
  return (
    <Page title={i18n._("Top up")}>
      {spends ? (
        <Await query={edition} rows={5}>
          {({ topups }) => <TopUpForm offer={topups} />}
        </Await>
      ) : (
        <Empty title={i18n._("Your role does not allow this")}>{i18n._("Somebody who may spend can top up.")}</Empty>
      )}
      <p style={{ marginTop: 24 }}>
        <Link to="/billing">← {i18n._("Billing")}</Link>
      </p>
    </Page>
  );
}

const OWN = "own"; // an amount of one's own

function TopUpForm({ offer }: { offer: Documents["TopUpOfferDocument"] }) {
  const { account } = useScope();
  const [pack, setPack] = useState(offer.packs_usd[0] ?? OWN);
  const [own, setOwn] = useState("");
  const [currency, setCurrency] = useState(offer.currencies[0] ?? "USD");
  const [method, setMethod] = useState<string | null>(offer.methods.length > 1 ? (offer.methods[0] ?? null) : null);
  const amount_usd = pack === OWN ? own.trim().replace(/^\$/, "") : pack;
  const intent = useIntent([amount_usd, currency, method].join());
  const open = useMutation({
    mutationFn: () => openTopUp(account.id, intent(), { amount_usd, currency, method, save_method: false }),
    onSuccess: ({ url }) => url && location.assign(url),
  });
  const problem = open.error instanceof Problem ? open.error : null;
  const isAmount = problem?.param === "amount_usd";
  return (
    <form
      className={`stack ${style.form}`}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        open.mutate();
      }}
    >
      <Offer />
      <Choice legend={i18n._("Amount")}>
        {offer.packs_usd.map((usd) => (
          <Option key={usd} name="pack" label={toDigits(usd)} large chosen={pack === usd} choose={() => setPack(usd)} />
        ))}
        {offer.custom && <Option name="pack" label={i18n._("Another")} large chosen={pack === OWN} choose={() => setPack(OWN)} />}
      </Choice>
      {pack === OWN && (
        <TextInput
          label={i18n._("Amount of your own")}
          description={i18n._("From {least} to {most}.", { least: toDigits(offer.min_usd), most: toDigits(offer.max_usd) })}
          leftSection="$"
          inputMode="decimal"
          autoComplete="off"
          autoFocus
          value={own}
          onChange={(event) => setOwn(event.currentTarget.value)}
          error={isAmount && problem?.message}
        />
      )}
      {offer.currencies.length > 1 && (
        <div>
          <p className={style.legend}>{i18n._("Pay in")}</p>
          <SegmentedControl aria-label={i18n._("Pay in")} data={[...offer.currencies]} value={currency} onChange={setCurrency} />
          {currency !== "USD" && <p className="soft small">{i18n._("The exact amount is on the next page, before you pay.")}</p>}
        </div>
      )}
      {method !== null && (
        <Choice legend={i18n._("Pay by")}>
          {offer.methods.map((each) => (
            <Option key={each} name="method" label={methodName(each)} chosen={method === each} choose={() => setMethod(each)} />
          ))}
        </Choice>
      )}
      {!(isAmount && pack === OWN) && <FormProblem problem={problem} />}
      <div>
        <Button type="submit" loading={open.isPending || open.isSuccess} disabled={amount_usd === ""}>
          {method === null && offer.methods[0] ? i18n._("Pay with {method}", { method: methodName(offer.methods[0]) }) : i18n._("Go on to pay")}
        </Button>
        <p className="soft small" style={{ marginTop: 8 }}>
          {i18n._("You pay on the next page. Your credit is here as soon as it is paid.")}
        </p>
      </div>
    </form>
  );
}

/** The match, while the first top-up can still get it. */
function Offer() {
  const { account } = useScope();
  const { data: match } = useQuery(matchQuery(account.id));
  if (match?.stage !== "open") return null;
  return (
    <p>
      {i18n._("We match {percent}% of your first top-up, up to {amount}. {time} left.", {
        percent: match.share_bp / 100,
        amount: toDigits(match.max_usd),
        time: timeLeft(match.open_until),
      })}
    </p>
  );
}

/** One idempotency key for as long as the same thing is wanted: a second click buys nothing twice. */
function useIntent(wanted: string): () => string {
  const known = useRef({ wanted: "", key: "" });
  return () => {
    if (known.current.wanted !== wanted) known.current = { wanted, key: newIdempotencyKey() };
    return known.current.key;
  };
}

function Choice({ legend, children }: { legend: string; children: React.ReactNode }) {
  return (
    <fieldset className={style.choice}>
      <legend className={style.legend}>{legend}</legend>
      {children}
    </fieldset>
  );
}

interface OptionProps {
  name: string;
  label: string;
  large?: boolean;
  chosen: boolean;
  choose: () => void;
}

function Option({ name, label, large, chosen, choose }: OptionProps) {
  return (
    <label className={style.option} data-chosen={chosen}>
      <input type="radio" name={name} checked={chosen} onChange={choose} />
      <span className={large ? "figure" : undefined}>{label}</span>
    </label>
  );
}
