// A dot that says how something is; the words are for whoever does not see colour.
import style from "./StatusDot.module.css";

export type Status = "good" | "bad" | "waiting" | "off";

export function StatusDot({ status, label }: { status: Status; label: string }) {
  return (
    <span className={style.dot} data-status={status} title={label} role="img" aria-label={label} />
  );
}
