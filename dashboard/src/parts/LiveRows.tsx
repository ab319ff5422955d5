// For live rows: the stream's state, whether they are paused, and which are new.
import { i18n } from "@lingui/core";
import { useEffect, useRef, useState } from "react";
import { type LiveStream, useLiveState } from "../api/live.ts";
import { StatusDot } from "./StatusDot.tsx";
import { showTime } from "./Time.tsx";

export function Liveness({ live, waiting }: { live: LiveStream; waiting: boolean }) {
  const { since } = useLiveState(live);
  if (since !== null) {
    const time = showTime(new Date(since).toISOString(), "clock");
    return <span className="bad small">{i18n._("as of {time}, reconnecting", { time })}</span>;
  }
  return (
    <span className="soft small">
      <StatusDot status={waiting ? "waiting" : "good"} label="" />
      {waiting ? i18n._("paused") : i18n._("live")}
    </span>
  );
}

/** Ids of rows that came with the latest change, but not those of the first drawing. */
export function useFresh(rows: readonly { id: string }[]): ReadonlySet<string> {
  const known = useRef<ReadonlySet<string> | null>(null);
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => {
    const now = new Set(rows.map((row) => row.id));
    const before = known.current;
    known.current = now;
    if (before) setFresh(new Set([...now].filter((id) => !before.has(id))));
  }, [rows]);
  return fresh;
}
