// Amounts as text. They are decimal strings and never become numbers: nothing is added up in the browser.

/** A balance or total, to the cent. "down": a balance never shows more than there is. */
export function toCents(amount: string, rounding: "down" | "nearest" = "nearest"): string {
  const { sign } = parts(amount);
  const nano = nanos(amount);
  const cents = (nano + (rounding === "nearest" ? 5_000_000n : 0n)) / 10_000_000n;
  if (cents === 0n && nano > 0n) return `${sign && "−"}<$0.01`;
  const shown = cents.toString().padStart(3, "0");
  return `${sign && cents ? "−" : ""}$${grouped(shown.slice(0, -2))}.${shown.slice(-2)}`;
}

/** A request's cost in all its digits: "$0.000213", "$1.5", or "$0". */
export function toDigits(amount: string): string {
  const { sign, whole, fraction } = parts(amount);
  const kept = fraction.replace(/0+$/, "");
  return `${sign && "−"}$${grouped(whole)}${kept && `.${kept}`}`;
}

export function isZero(amount: string): boolean {
  return !/[1-9]/.test(amount);
}

/** Whether a typed amount is above another; false for text that is no amount. */
export function isAbove(typed: string, most: string): boolean {
  return /^\d+(\.\d{0,9})?$/.test(typed) && nanos(typed) > nanos(most);
}

/** One amount's share of another, from 0 to 1: for widths of bars, not for money. */
export function share(part: string, whole: string): number {
  return isZero(whole) ? 0 : Math.min(1, Math.max(0, Number(part) / Number(whole)));
}

/** A segment's flex-grow, in nano-dollars: values below 1 would leave part of the line empty. */
export function growth(amount: string): number {
  return Number(amount) * 1e9;
}

function nanos(amount: string): bigint {
  const { whole, fraction } = parts(amount);
  return BigInt(whole + fraction.padEnd(9, "0"));
}

function parts(amount: string): { sign: string; whole: string; fraction: string } {
  const found = /^(-?)(\d+)(?:\.(\d*))?$/.exec(amount);
  if (!found) throw new Error(`not an amount: ${amount}`);
  return { sign: found[1] ?? "", whole: found[2] ?? "0", fraction: found[3] ?? "" };
}

function grouped(whole: string): string {
  return whole.replace(/\B(?=(\d{3})+$)/g, ",");
}
