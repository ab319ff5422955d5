// A receipt: what a request cost and why, which lots paid for it, which providers were asked, and its ledger entry.
import { i18n } from "@lingui/core";
import { VisuallyHidden } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Documents } from "../../api/client.ts";
import { editionQuery, serviceName } from "../../api/queries.ts";
import { isZero, toDigits } from "../../parts/amounts.ts";
import { callRefusal } from "../../parts/callRefusals.ts";
import { count } from "../../parts/numbers.ts";
import { answeredBy, requestNote, requestStatus, stageName } from "../../parts/requests.ts";
import { showTime, Time } from "../../parts/Time.tsx";
import { poolName, Waterline } from "../../parts/Waterline.tsx";
import { useScope } from "../../shell/account.tsx";
import { useKeyNames } from "./keyNames.ts";
import { attemptOutcome, costOf, notAskedReason, priceOf, showDuration, unitName, whyStage } from "./receiptWords.ts";
import { lotsQuery } from "./queries.ts";
import style from "./Receipt.module.css";

type Document = Documents["ReceiptDocument"];

export function Receipt({ receipt }: { receipt: Document }) {
  return (
    <article className={style.paper} aria-label={i18n._("Receipt of {id}", { id: receipt.id })}>
      <Head receipt={receipt} />
      <Price receipt={receipt} />
      <PaidFrom receipt={receipt} />
      <Route receipt={receipt} />
      <Request receipt={receipt} />
      <Books receipt={receipt} />
    </article>
  );
}

/** A line with dotted leaders: the item, its calculation, and its amount at the end. */
function Line({ what, how, strong, children }: { what: ReactNode; how?: ReactNode; strong?: boolean; children?: ReactNode }) {
  return (
    <li className={style.line} data-strong={strong}>
      <span className={style.what}>{what}</span>
      {how && <span className={style.how}>{how}</span>}
      <span className={style.leader} />
      <span className={style.makes}>{children}</span>
    </li>
  );
}

function Part({ title, children }: { title?: string; children: ReactNode }) {
  return (
    <section className={style.part}>
      {title && <h3>{title}</h3>}
      {children}
    </section>
  );
}

function Head({ receipt }: { receipt: Document }) {
  const { data: edition } = useQuery(editionQuery);
  const { status, label } = requestStatus(receipt);
  const free = isZero(receipt.cost_usd) ? requestNote(receipt) : "";
  const struck = free && answeredBy(receipt) && receipt.saved_usd;
  return (
    <header>
      <p className={style.brand}>
        <b>{serviceName(edition)}</b>
        <span>{i18n._("Receipt")}</span>
      </p>
      <p className={`figure ${style.figure}`}>
        {struck && !isZero(struck) && (
          <>
            <s>
              <VisuallyHidden>{i18n._("without the cache")} </VisuallyHidden>
              {toDigits(struck)}
            </s>{" "}
          </>
        )}
        {toDigits(receipt.cost_usd)}
        {free && <small> · {free}</small>}
      </p>
      <p>
        <span className="strong">{receipt.model || i18n._("no model")}</span>
        {receipt.provider && <span className="soft"> {i18n._("by {provider}", { provider: receipt.provider })}</span>}
      </p>
      <p className="soft">
        <Time at={receipt.ended_at} as="moment" />
        {receipt.total_ms !== undefined && ` · ${showDuration(receipt.total_ms)}`}
        {" · "}
        <span className={status === "bad" ? "bad" : undefined}>{label}</span>
      </p>
      {receipt.detail === "expired" && <p className={style.note}>{i18n._("The details were deleted. The charge is kept.")}</p>}
    </header>
  );
}

/** Each component at the provider's price, then the terms, then the charge: every sum as the API states it. */
function Price({ receipt }: { receipt: Document }) {
  const { price, model_usd, service_fee_usd: fee, overrun_usd: overrun } = receipt;
  if (model_usd === undefined) return null; // nothing was charged
  return (
    <Part>
      <ul>
        {price?.lines?.map((line) => (
          <Line key={line.unit} what={unitName(line.unit)} how={`${count(line.count)} × ${priceOf(line)}`}>
            {costOf(line)}
          </Line>
        ))}
        {price && (price.markup_bp > 0 || price.discount_bp > 0) && (
          <Line what={i18n._("Model")} how={terms(price)}>
            {toDigits(model_usd)}
          </Line>
        )}
        {fee !== undefined && (
          <Line what={i18n._("Service fee")} how={price && price.fee_bp > 0 ? percent(price.fee_bp) : i18n._("none")}>
            {toDigits(fee)}
          </Line>
        )}
        {overrun !== undefined && !isZero(overrun) && (
          <Line what={i18n._("Not charged")} how={i18n._("exceeded the hold")}>
            {toDigits(overrun)}
          </Line>
        )}
        <Cached receipt={receipt} ours />
        <Line what={i18n._("Total")} strong>
          {toDigits(receipt.cost_usd)}
        </Line>
        <Cached receipt={receipt} ours={false} />
      </ul>
    </Part>
  );
}

/** Savings by a cache. Ours saves the whole cost, before the total; the provider's is in the prices already, so it stands below. */
function Cached({ receipt, ours }: { receipt: Document; ours: boolean }) {
  const { saved_usd: saved = "0" } = receipt;
  const answered = answeredBy(receipt);
  if (isZero(saved) || ours !== (answered !== null)) return null;
  if (ours)
    return (
      <Line what={i18n._("Cache")} how={i18n._("no provider was called")}>
        −{toDigits(saved)}
      </Line>
    );
  const more = saved.startsWith("-");
  return (
    <Line what={<span className="soft">{i18n._("Vendor cache")}</span>} how={more ? i18n._("written for later requests") : i18n._("saved by the cache")}>
      <span className="soft">{more ? `+${toDigits(saved.slice(1))}` : toDigits(saved)}</span>
    </Line>
  );
}

function terms({ markup_bp: markup, discount_bp: discount }: Documents["ReceiptPrice"]): string {
  const markedUp = markup > 0 ? i18n._("{percent} markup", { percent: percent(markup) }) : "";
  const reduced = discount > 0 ? i18n._("{percent} discount", { percent: percent(discount) }) : "";
  return [markedUp, reduced].filter(Boolean).join(", ");
}

function percent(basisPoints: number): string {
  return `${basisPoints / 100}%`;
}

/** The lots that the request drew from, and where they are on the account's line if credit is left in them. */
function PaidFrom({ receipt }: { receipt: Document }) {
  const { account } = useScope();
  const { data: lots = [] } = useQuery(lotsQuery(account.id));
  const drawn = receipt.lots ?? [];
  if (drawn.length === 0) return null;
  const ids = drawn.map((lot) => lot.id);
  const there = new Map(lots.flatMap((lot) => [lot.id, ...lot.more].map((id) => [id, lot])));
  const left = ids.some((id) => !isZero(there.get(id)?.remaining_usd ?? "0"));
  return (
    <Part title={i18n._("Paid from your balance")}>
      {left && (
        <div className={style.waterline}>
          <Waterline lots={lots} drawn={ids} labels={false} />
          <p className="soft small">{i18n._("Your current credit. The mark shows which credit paid for this request.")}</p>
        </div>
      )}
      <ul>
        {drawn.map((lot, index) => {
          const now = there.get(lot.id);
          return (
            <Line key={index} what={<span className={style.pool}>{poolName(lot.pool)}</span>} how={lotWords(now)}>
              {toDigits(lot.amount_usd)}
            </Line>
          );
        })}
      </ul>
    </Part>
  );
}

/** Similar lots are shown as one, since the first of them. */
function lotWords(lot: Documents["LotDocument"] | undefined): string {
  if (lot === undefined) return i18n._("now used up");
  const day = showTime(lot.granted_at, "day");
  return lot.more.length === 0 ? i18n._("lot of {day}", { day }) : i18n._("lots since {day}", { day });
}

/** The providers that were asked, in order, with outcomes; then those that were not, and why. */
function Route({ receipt }: { receipt: Document }) {
  const { attempts, not_asked: others = [], refusal, first_content_ms: first } = receipt;
  if (attempts === undefined) return null;
  return (
    <Part title={i18n._("Route")}>
      {attempts.length === 0 && !refusal && <p className="soft">{i18n._("No provider was called.")}</p>}
      <ol>
        {attempts.map((attempt, index) => {
          const { served, text } = attemptOutcome(attempt);
          const waited = served && first != null ? i18n._("first token {time}", { time: showDuration(first) }) : showDuration(attempt.ms);
          return (
            <Line key={index} what={attempt.provider} how={<>{attempt.model} <span className={served ? "good strong" : "bad"}>{text}</span></>}>
              <span className={`soft ${style.whole}`}>{waited}</span>
            </Line>
          );
        })}
      </ol>
      {others.length > 0 && (
        <ul aria-label={i18n._("Not tried")}>
          {others.map((other, index) => (
            <Line key={index} what={<span className="soft">{other.provider}</span>} how={[other.model, notAskedReason(other)].filter(Boolean).join(" · ")}>
              <span className={`soft ${style.whole}`}>{i18n._("not tried")}</span>
            </Line>
          ))}
        </ul>
      )}
      {refusal && <p className={style.note}>{callRefusal(refusal)}</p>}
    </Part>
  );
}

function Request({ receipt }: { receipt: Document }) {
  const names = useKeyNames();
  const { model_asked: asked, hold_usd: hold, left_out: leftOut = [], max_output_capped: capped } = receipt;
  if (asked === undefined) return null;
  return (
    <Part title={i18n._("Request")}>
      <ul>
        <Line what={i18n._("Key")}>{names(receipt.key_id)}</Line>
        {asked !== receipt.model && <Line what={i18n._("Requested model")}>{asked}</Line>}
        {receipt.stage && (
          <Line what={i18n._("Stage")} how={whyStage(receipt)}>
            {stageName(receipt.stage)}
          </Line>
        )}
        {receipt.session && (
          <Line what={i18n._("Session")} how={receipt.turn != null && i18n._("turn {number}", { number: receipt.turn })}>
            <Link to="/usage/sessions/$sessionId" params={{ sessionId: receipt.session }}>
              {short(receipt.session, 10)}
            </Link>
          </Line>
        )}
        {hold !== undefined && !isZero(hold) && <Line what={i18n._("Hold")}>{toDigits(hold)}</Line>}
        {capped != null && <Line what={i18n._("Output capped")}>{i18n._("{count} tokens", { count: count(capped) })}</Line>}
        {leftOut.length > 0 && <Line what={i18n._("Dropped fields")}>{leftOut.join(", ")}</Line>}
        {receipt.usage_source && receipt.usage_source !== "none" && <Line what={i18n._("Tokens counted by")}>{counter(receipt.usage_source)}</Line>}
      </ul>
    </Part>
  );
}

function counter(source: NonNullable<Document["usage_source"]>): string {
  if (source === "vendor") return i18n._("the provider");
  return source === "counted" ? i18n._("us, from the text") : i18n._("us, estimated");
}

function Books({ receipt }: { receipt: Document }) {
  const { entry, signature } = receipt;
  return (
    <Part title={i18n._("Ledger entry")}>
      <ul>
        {entry ? (
          <Line what={i18n._("Entry {number}", { number: count(entry.seq) })}>
            {i18n._("step {step}, position {place}", { step: count(entry.chain_step), place: count(entry.ordinal) })}
          </Line>
        ) : (
          <Line what={i18n._("No entry")}>{i18n._("nothing was charged")}</Line>
        )}
      </ul>
      <p className={`mono ${style.ids}`}>
        {receipt.id}
        {receipt.upstream_request_id && <br />}
        {receipt.upstream_request_id}
        {receipt.client_request_id && <br />}
        {receipt.client_request_id}
        <br />
        <span className="good">✓</span> {i18n._("signed")} · {signature.algorithm} {short(signature.value)}
      </p>
    </Part>
  );
}

function short(id: string, first = 6): string {
  return `${id.slice(0, first)}…${id.slice(-4)}`;
}
