// What the pages of usage read: totals, requests, what requests can be narrowed to, and a receipt.
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, ask, type Documents } from "../../api/client.ts";
import type { Span } from "./ranges.ts";

export type Total = Documents["UsageDocument"];
export type Dimension = "hour" | "day" | "key" | "model" | "provider";
export type RequestPage = Documents["RequestPage"];

/** What the list of requests is narrowed to; a part of the page's address. */
export interface RequestFilter {
  model?: string;
  provider?: string;
  key?: string;
  status?: NonNullable<Documents["RequestDocument"]["status"]>;
}

const ROWS = 100;

export const usageQuery = (account_id: string, { since }: Span, by: Dimension) =>
  queryOptions({
    queryKey: ["account", account_id, "usage", since, by],
    queryFn: () =>
      ask(api.GET("/api/accounts/{account_id}/usage", { params: { path: { account_id }, query: { since, by: [by] } } })),
    placeholderData: (before) => before, // the figures stay until those of another span are there
  });

/** The address of a row for each request. */
export function usageCsv(account_id: string, since?: string): string {
  return `/api/accounts/${account_id}/usage.csv${since ? `?since=${encodeURIComponent(since)}` : ""}`;
}

export function readRequests(account_id: string, filter: RequestFilter, cursor?: string): Promise<RequestPage> {
  const query = { ...filter, limit: ROWS, cursor };
  return ask(api.GET("/api/accounts/{account_id}/requests", { params: { path: { account_id }, query } }));
}

/** Read once; what comes later is put at its top by `useLatest`. */
export const requestsQuery = (account_id: string, filter: RequestFilter) =>
  infiniteQueryOptions({
    queryKey: ["account", account_id, "requests", filter],
    queryFn: ({ pageParam }) => readRequests(account_id, filter, pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    staleTime: Number.POSITIVE_INFINITY,
  });

export const choicesQuery = (account_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "request-choices"],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/requests/choices", { params: { path: { account_id } } })),
    staleTime: 60_000,
  });

export const receiptQuery = (account_id: string, request_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "receipt", request_id],
    queryFn: () =>
      ask(api.GET("/api/accounts/{account_id}/requests/{request_id}", { params: { path: { account_id, request_id } } })),
    staleTime: Number.POSITIVE_INFINITY,
  });

export const lotsQuery = (account_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "lots"],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/lots", { params: { path: { account_id } } })),
    gcTime: 0,
    staleTime: 0,
  });
