// A receipt: what a request cost and why, what paid for it, who was asked, and where it stands in the books.
import { i18n } from "@lingui/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { Documents } from "../../api/client.ts";
import { editionQuery } from "../../api/queries.ts";
import { isZero, toDigits } from "../../parts/amounts.ts";
import { count } from "../../parts/numbers.ts";
import { requestNote, requestStatus } from "../../parts/requests.ts";
import { showTime, Time } from "../../parts/Time.tsx";
import { poolName, Waterline } from "../../parts/Waterline.tsx";
import { useScope } from "../../shell/account.tsx";
import { useKeyNames } from "./keyNames.ts";
import { attemptOutcome, costOf, priceOf, showDuration, unitName } from "./receiptWords.ts";
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

/** A line with dotted leaders: what, how it comes about, and at the end what it makes. */
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
  return (
    <header>
      <p className={style.brand}>
        <b>{edition?.name ?? "Token Harbor"}</b>
        <span>{i18n._("Receipt")}</span>
      </p>
      <p className={`figure ${style.figure}`}>
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
      {receipt.detail === "expired" && <p className={style.note}>{i18n._("The details were deleted. The charge stays.")}</p>}
    </header>
  );
}

/** Each component at the vendor's price, then the terms, then what was charged: every sum as the API has it. */
function Price({ receipt }: { receipt: Document }) {
  const { price, model_usd, service_fee_usd: fee, overrun_usd: overrun } = receipt;
  if (model_usd === undefined) return null; // not charged
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
          <Line what={i18n._("Not charged")} how={i18n._("more than was held")}>
            {toDigits(overrun)}
          </Line>
        )}
        <Line what={i18n._("Total")} strong>
          {toDigits(receipt.cost_usd)}
        </Line>
      </ul>
    </Part>
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

/** The lots that it drew, and where they are on the account's line, as far as there is something left of them. */
function PaidFrom({ receipt }: { receipt: Document }) {
  const { account } = useScope();
  const { data: lots = [] } = useQuery(lotsQuery(account.id));
  const drawn = receipt.lots ?? [];
  if (drawn.length === 0) return null;
  const ids = drawn.map((lot) => lot.id);
  const granted = new Map(lots.map((lot) => [lot.id, lot.granted_at]));
  const left = lots.some((lot) => ids.includes(lot.id) && !isZero(lot.remaining_usd));
  return (
    <Part title={i18n._("Paid from your balance")}>
      {left && (
        <div className={style.waterline}>
          <Waterline lots={lots} drawn={ids} labels={false} />
          <p className="soft small">{i18n._("Your credit now. The mark is where this call drew.")}</p>
        </div>
      )}
      <ul>
        {drawn.map((lot, index) => {
          const day = granted.get(lot.id);
          return (
            <Line key={index} what={<span className={style.pool}>{poolName(lot.pool)}</span>} how={day ? i18n._("lot of {day}", { day: showTime(day, "day") }) : i18n._("used up since")}>
              {toDigits(lot.amount_usd)}
            </Line>
          );
        })}
      </ul>
    </Part>
  );
}

/** Who was asked, in order, and how each answered. */
function Route({ receipt }: { receipt: Document }) {
  const { attempts, refusal, first_content_ms: first } = receipt;
  if (attempts === undefined) return null;
  return (
    <Part title={i18n._("Route")}>
      {attempts.length === 0 && !refusal && <p className="soft">{i18n._("No provider was asked.")}</p>}
      <ol>
        {attempts.map((attempt, index) => {
          const { served, text } = attemptOutcome(attempt);
          const waited = served && first != null ? i18n._("first token {time}", { time: showDuration(first) }) : showDuration(attempt.ms);
          return (
            <Line key={index} what={attempt.provider} how={<span className={served ? "good strong" : "bad"}>{text}</span>}>
              <span className="soft">{waited}</span>
            </Line>
          );
        })}
      </ol>
      {refusal && <p className={style.note}>{refusal}</p>}
    </Part>
  );
}

function Request({ receipt }: { receipt: Document }) {
  const names = useKeyNames();
  const { model_asked: asked, hold_usd: hold, left_out: leftOut = [], max_output_capped: capped } = receipt;
  if (asked === undefined) return null;
  return (
    <Part title={i18n._("The call")}>
      <ul>
        <Line what={i18n._("Key")}>{names(receipt.key_id)}</Line>
        {asked !== receipt.model && <Line what={i18n._("Asked for")}>{asked}</Line>}
        {hold !== undefined && !isZero(hold) && <Line what={i18n._("Held at first")}>{toDigits(hold)}</Line>}
        {capped != null && <Line what={i18n._("Output capped")}>{i18n._("{count} tokens", { count: count(capped) })}</Line>}
        {leftOut.length > 0 && <Line what={i18n._("Left out")}>{leftOut.join(", ")}</Line>}
        {receipt.usage_source && receipt.usage_source !== "none" && <Line what={i18n._("Counted by")}>{counter(receipt.usage_source)}</Line>}
      </ul>
    </Part>
  );
}

function counter(source: NonNullable<Document["usage_source"]>): string {
  if (source === "vendor") return i18n._("the vendor");
  return source === "counted" ? i18n._("us, from its text") : i18n._("us, estimated");
}

function Books({ receipt }: { receipt: Document }) {
  const { entry, signature } = receipt;
  return (
    <Part title={i18n._("In the books")}>
      <ul>
        {entry ? (
          <Line what={i18n._("Entry {number}", { number: count(entry.seq) })}>
            {i18n._("step {step}, place {place}", { step: count(entry.chain_step), place: count(entry.ordinal) })}
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

function short(hex: string): string {
  return `${hex.slice(0, 6)}…${hex.slice(-4)}`;
}
