// Usage by hour or day as bars: one measure at a time, and words for the bar under the pointer or the keys.
import { i18n } from "@lingui/core";
import { SegmentedControl } from "@mantine/core";
import { type KeyboardEvent, type PointerEvent, useState } from "react";
import { toCents } from "../../parts/amounts.ts";
import { compact, count } from "../../parts/numbers.ts";
import type { Total } from "./queries.ts";
import { showDuration } from "./receiptWords.ts";
import { type Span, showStart, startKey } from "./ranges.ts";
import { inputTokens } from "./totals.ts";
import style from "./Usage.module.css";

type Measure = "spent" | "calls" | "tokens" | "latency" | "saved";

/** One hour or day: `low` is drawn below, `high` on top in another tint. Heights, not money. */
interface Bar {
  low: number;
  high: number;
}

const HEIGHT = 100;
const LEAST = 1.5; // the least visible height

export function UsageChart({ span, rows, saves }: { span: Span; rows: readonly Total[]; saves: boolean }) {
  const [wanted, setMeasure] = useState<Measure>("spent");
  const measure = wanted === "saved" && !saves ? "spent" : wanted;
  const [chosen, setChosen] = useState<number | null>(null);
  const found = new Map(rows.map((row) => [startKey(row.hour ?? row.day ?? "", span.by), row]));
  const totals = span.starts.map((start) => found.get(startKey(start, span.by)));
  const bars = totals.map((total) => barOf(total, measure));
  const highest = bars.reduce((best, bar, index) => (heightOf(bar) > heightOf(bars[best]) ? index : best), 0);
  const at = Math.min(chosen ?? bars.length - 1, bars.length - 1);
  return (
    <section className={style.chart} aria-label={i18n._("Usage over time")}>
      <div className={style.chartHead}>
        <p className={style.readout} aria-hidden="true">
          {say(span, at, totals[at], measure)}
        </p>
        <SegmentedControl
          aria-label={i18n._("Chart")}
          data={[
            { value: "spent", label: i18n._("Spent") },
            { value: "calls", label: i18n._("Requests") },
            { value: "tokens", label: i18n._("Tokens") },
            { value: "latency", label: i18n._("Latency") },
            ...(saves ? [{ value: "saved" as const, label: i18n._("Savings") }] : []),
          ]}
          value={measure}
          onChange={setMeasure}
        />
      </div>
      <p className={`soft small ${style.peak}`}>{showMeasure(totals[highest], measure)}</p>
      <div
        className={style.plot}
        role="slider"
        tabIndex={0}
        aria-label={span.by === "day" ? i18n._("Day") : i18n._("Hour")}
        aria-valuemin={0}
        aria-valuemax={bars.length - 1}
        aria-valuenow={at}
        aria-valuetext={say(span, at, totals[at], measure)}
        onKeyDown={(event) => setChosen(moved(event, at, bars.length))}
        onPointerMove={(event) => setChosen(pointed(event, bars.length))}
        onPointerDown={(event) => setChosen(pointed(event, bars.length))}
        onPointerLeave={(event) => event.pointerType === "mouse" && setChosen(null)}
      >
        <Bars bars={bars} most={heightOf(bars[highest])} at={chosen === null ? null : at} measure={measure} />
      </div>
      <p className={`soft small ${style.ends}`}>
        <span>{showStart(span.starts[0] ?? "", span.by)}</span>
        <Legend measure={measure} />
        <span>{showStart(span.starts.at(-1) ?? "", span.by)}</span>
      </p>
    </section>
  );
}

function Bars({ bars, most, at, measure }: { bars: readonly Bar[]; most: number; at: number | null; measure: Measure }) {
  const scale = (value: number) => (value > 0 ? Math.max(LEAST, (HEIGHT * value) / most) : 0);
  return (
    <svg viewBox={`0 0 ${bars.length} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      {at !== null && <rect className={style.pointed} x={at} y={0} width={1} height={HEIGHT} />}
      {bars.map((bar, index) => {
        const low = scale(bar.low);
        const high = scale(bar.high);
        return (
          <g key={index} data-measure={measure}>
            <rect className={style.low} x={index + 0.11} width={0.78} y={HEIGHT - low} height={low} />
            <rect className={style.high} x={index + 0.11} width={0.78} y={HEIGHT - low - high} height={high} />
          </g>
        );
      })}
    </svg>
  );
}

function Legend({ measure }: { measure: Measure }) {
  if (measure === "spent") return null;
  const [low, high] = {
    calls: [i18n._("billed"), i18n._("not billed")],
    tokens: [i18n._("input and output"), i18n._("from cache")],
    latency: [i18n._("to first token"), i18n._("total")],
    saved: [i18n._("vendor cache"), i18n._("repeats")],
  }[measure];
  return (
    <span className={style.legend} data-measure={measure}>
      <i className={style.low} /> {low} <i className={style.high} /> {high}
    </span>
  );
}

function barOf(total: Total | undefined, measure: Measure): Bar {
  if (!total) return { low: 0, high: 0 };
  if (measure === "spent") return { low: Number(total.cost_usd), high: 0 };
  if (measure === "calls") return { low: total.requests - total.unbilled, high: total.unbilled };
  if (measure === "saved") return { low: above(total.saved.vendor_usd), high: above(total.saved.exact_usd) + above(total.saved.semantic_usd) };
  if (measure === "latency") {
    const first = total.mean_first_content_ms ?? 0;
    return { low: first, high: Math.max(0, (total.mean_total_ms ?? 0) - first) };
  }
  return { low: total.input + total.cache_write + total.output, high: total.cache_read };
}

function above(usd: string): number {
  return Math.max(0, Number(usd));
}

function heightOf(bar: Bar | undefined): number {
  return bar ? bar.low + bar.high : 0;
}

function showMeasure(total: Total | undefined, measure: Measure): string {
  if (!total) return "";
  if (measure === "spent") return toCents(total.cost_usd);
  if (measure === "calls") return count(total.requests);
  if (measure === "saved") return toCents(total.saved.total_usd);
  if (measure === "latency") return total.mean_total_ms === null ? "" : showDuration(total.mean_total_ms);
  return compact(inputTokens(total) + total.output);
}

/** "28 Nov · $3.20 · 412 requests · 1.2M tokens" */
function say(span: Span, index: number, total: Total | undefined, measure: Measure): string {
  const start = showStart(span.starts[index] ?? "", span.by);
  if (!total) return `${start} · ${i18n._("no requests")}`;
  const calls = i18n._("{count, plural, one {# request} other {# requests}}", { count: total.requests });
  const tokens = i18n._("{count} tokens", { count: compact(inputTokens(total) + total.output) });
  const { mean_first_content_ms: first, mean_total_ms: whole } = total;
  const times = first === null || whole === null ? [] : [i18n._("{first} to first token, {whole} total", { first: showDuration(first), whole: showDuration(whole) })];
  const saved = i18n._("{amount} saved", { amount: toCents(total.saved.total_usd) });
  return [start, toCents(total.cost_usd), calls, ...(measure === "latency" ? times : [measure === "saved" ? saved : tokens])].join(" · ");
}

function moved(event: KeyboardEvent, at: number, length: number): number {
  const steps: Record<string, number> = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: length - 1 };
  const wanted = steps[event.key];
  if (wanted === undefined) return at;
  event.preventDefault();
  return Math.max(0, Math.min(length - 1, wanted));
}

function pointed(event: PointerEvent, length: number): number {
  const { left, width } = event.currentTarget.getBoundingClientRect();
  return Math.max(0, Math.min(length - 1, Math.floor(((event.clientX - left) / width) * length)));
}
