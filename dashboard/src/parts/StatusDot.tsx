// A status dot with a label for screen readers; "" if the words stand beside it.
import style from "./StatusDot.module.css";

export type Status = "good" | "bad" | "waiting" | "off";

export function StatusDot({ status, label }: { status: Status; label: string }) {
  const words = label ? { title: label, role: "img", "aria-label": label } : { "aria-hidden": true };
  return <span className={style.dot} data-status={status} {...words} />;
}
