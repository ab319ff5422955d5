// Keeps the top of the list of requests current: read again when a request has ended, at most once a second.
import { type InfiniteData, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef } from "react";
import { useLiveEvent, useLiveState } from "../../api/live.ts";
import { useScope } from "../../shell/account.tsx";
import { type RequestFilter, type RequestPage, readRequests, requestsQuery } from "./queries.ts";

const REFRESH_MS = 1000;

export function useLatest(filter: RequestFilter): void {
  const { account, live } = useScope();
  const client = useQueryClient();
  const { since } = useLiveState(live);
  const next = useRef(0);
  const timer = useRef(0);
  const { model, provider, key, status, cache, stage } = filter;
  const read = useCallback(async () => {
    const wanted = { model, provider, key, status, cache, stage };
    const page = await readRequests(account.id, wanted);
    client.setQueryData(requestsQuery(account.id, wanted).queryKey, (known) => known && withLatest(known, page));
  }, [client, account.id, model, provider, key, status, cache, stage]);
  const refresh = useCallback(() => {
    clearTimeout(timer.current);
    const run = () => {
      next.current = Date.now() + REFRESH_MS;
      read().catch(() => undefined); // the stream shows that it is lost, and the rows stay correct
    };
    timer.current = window.setTimeout(run, Math.max(0, next.current - Date.now()));
  }, [read]);
  useLiveEvent(live, "request", refresh);
  useEffect(() => {
    if (since === null) refresh(); // requests that ended while the stream was down
    return () => clearTimeout(timer.current);
  }, [refresh, since]);
}

type Known = InfiniteData<RequestPage>;

/** Merges a new first page with the rows below it. If there is a gap between them, only the new page is kept. */
function withLatest(known: Known, page: RequestPage): Known {
  const [first, ...older] = known.pages;
  const last = page.data.at(-1);
  const alone = { pages: [page], pageParams: [undefined] };
  if (!first || !last || older.length === 0) return alone;
  const ids = new Set(first.data.map((row) => row.id));
  if (!page.data.some((row) => ids.has(row.id))) return alone;
  const below = first.data.filter((row) => row.id < last.id);
  return { ...known, pages: [{ ...first, data: [...page.data, ...below] }, ...older] };
}
