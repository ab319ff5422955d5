// Buys credit: amount, currency and payment method; then the processor's page takes over.
import { i18n } from "@lingui/core";
import { Button, Checkbox, SegmentedControl, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { type Documents, Problem } from "../../api/client.ts";
import { useIntent } from "../../api/intent.ts";
import { editionQuery } from "../../api/queries.ts";
import { toDigits } from "../../parts/amounts.ts";
import { FormProblem } from "../../parts/forms.tsx";
import { Page } from "../../parts/Page.tsx";
import { Await, Empty } from "../../parts/States.tsx";
import { timeLeft } from "../../parts/Time.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import style from "./Billing.module.css";
import { Choice, Option } from "./Choice.tsx";
import { methodName } from "./describe.ts";
import { matchQuery, openTopUp } from "./queries.ts";

export function TopUpPage() {
  const edition = useQuery({ ...editionQuery, staleTime: 0 }); // exchange rates expire
  const spends = useRight("spend");
  return (
    <Page title={i18n._("Top up")}>
      {spends ? (
        <Await query={edition} rows={5}>
          {({ topups, auto_topup }) => <TopUpForm offer={topups} saves={auto_topup} />}
        </Await>
      ) : (
        <Empty title={i18n._("Your role does not allow this")}>{i18n._("Members who can spend can top up.")}</Empty>
      )}
      <p style={{ marginTop: 24 }}>
        <Link to="/billing">← {i18n._("Billing")}</Link>
      </p>
    </Page>
  );
}

const OWN = "own"; // a custom amount

/** `saves`: a method may be saved for auto top-up. */
function TopUpForm({ offer, saves }: { offer: Documents["TopUpOfferDocument"]; saves: boolean }) {
  const { account } = useScope();
  const { save = false } = useSearch({ from: "/shell/billing/top-up" });
  const [saved, setSaved] = useState(save);
  const [pack, setPack] = useState(offer.packs_usd[0] ?? OWN);
  const [own, setOwn] = useState("");
  const [preferred, setCurrency] = useState("");
  const currency = offer.currencies.find((each) => each === preferred) ?? offer.currencies[0] ?? "USD";
  const [wanted, setMethod] = useState<string | null>((save && offer.savable[0]) || null);
  const methods = offer.sold_in.find((each) => each.currency === currency)?.methods ?? [];
  const chosen = methods.find((each) => each === wanted) ?? methods[0] ?? ""; // another currency may have other methods
  const method = offer.methods.length > 1 ? chosen : null;
  const savable = saves && offer.savable.includes(chosen);
  const save_method = savable && saved;
  const amount_usd = pack === OWN ? own.trim().replace(/^\$/, "") : pack;
  const intent = useIntent([amount_usd, currency, method, save_method].join());
  const open = useMutation({
    mutationFn: () => openTopUp(account.id, intent(), { amount_usd, currency, method, save_method }),
    onSuccess: ({ url }) => url && location.assign(url),
  });
  const problem = open.error instanceof Problem ? open.error : null;
  const isAmount = problem?.param?.startsWith("amount") === true;
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
        {offer.custom && <Option name="pack" label={i18n._("Other")} large chosen={pack === OWN} choose={() => setPack(OWN)} />}
      </Choice>
      {pack === OWN && (
        <TextInput
          label={i18n._("Custom amount")}
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
          <p className={style.legend}>{i18n._("Currency")}</p>
          <SegmentedControl aria-label={i18n._("Currency")} data={[...offer.currencies]} value={currency} onChange={setCurrency} />
          {currency !== "USD" && <p className="soft small">{i18n._("The next page shows the exact amount before you pay.")}</p>}
        </div>
      )}
      <NotOffered offer={offer} />
      {method !== null && (
        <Choice legend={i18n._("Pay with")}>
          {methods.map((each) => (
            <Option key={each} name="method" label={methodName(each)} chosen={method === each} choose={() => setMethod(each)} />
          ))}
        </Choice>
      )}
      {savable && (
        <Checkbox
          label={i18n._("Save this method for auto top-up")}
          description={i18n._("It is not charged until you turn on auto top-up.")}
          checked={saved}
          onChange={(event) => setSaved(event.currentTarget.checked)}
        />
      )}
      {!(isAmount && pack === OWN) && <FormProblem problem={problem} />}
      <div>
        <Button type="submit" loading={open.isPending || open.isSuccess} disabled={amount_usd === "" || chosen === ""}>
          {method === null && chosen ? i18n._("Pay with {method}", { method: methodName(chosen) }) : i18n._("Continue to payment")}
        </Button>
        <p className="soft small" style={{ marginTop: 8 }}>
          {chosen === "pretended"
            ? i18n._("Pretended payment: no money is taken.")
            : i18n._("You pay on the next page. Credit is added as soon as you have paid.")}
        </p>
      </div>
    </form>
  );
}

/** The edition's currencies that cannot be paid in now, and why. */
function NotOffered({ offer }: { offer: Documents["TopUpOfferDocument"] }) {
  const out = offer.sold_in.filter(({ fault }) => fault !== null);
  return out.map(({ currency, fault }) => (
    <p key={currency} className="soft small">
      {fault === "no_method"
        ? i18n._("{currency} is unavailable: no payment method supports it.", { currency })
        : i18n._("{currency} is unavailable: no exchange rate for today.", { currency })}
    </p>
  ));
}

/** The match offer, while the first top-up can still get it. */
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
