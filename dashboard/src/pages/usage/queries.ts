// Queries of the usage pages: totals, requests, filter values, and a receipt.
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, ask, type Documents } from "../../api/client.ts";
import type { Span } from "./ranges.ts";

export type Total = Documents["UsageDocument"];
export type Dimension = "hour" | "day" | "key" | "label" | "model" | "provider";
export type RequestPage = Documents["RequestPage"];

/** Filters of the list of requests, part of the page's address. */
export interface RequestFilter {
  model?: string;
  provider?: string;
  key?: string;
  status?: NonNullable<Documents["RequestDocument"]["status"]>;
  cache?: CacheLayer;
  stage?: string;
}

export const CACHE_LAYERS = ["exact", "semantic", "prefix"] as const;
export type CacheLayer = (typeof CACHE_LAYERS)[number];

const ROWS = 100;

export const usageQuery = (account_id: string, { since }: Span, by: Dimension) =>
  queryOptions({
    queryKey: ["account", account_id, "usage", since, by],
    queryFn: () =>
      ask(api.GET("/api/accounts/{account_id}/usage", { params: { path: { account_id }, query: { since, by: [by] } } })),
    placeholderData: (before) => before, // keeps the old figures until the new span's arrive
  });

/** Usage by stage, of whole days; empty if no request named a pool. */
export const stagesQuery = (account_id: string, { since }: Span) =>
  queryOptions({
    queryKey: ["account", account_id, "stages", since],
    queryFn: () =>
      ask(api.GET("/api/accounts/{account_id}/usage/stages", { params: { path: { account_id }, query: { since, by: "stage" } } })),
    placeholderData: (before) => before,
  });

/** Refused requests of a week by key and code; of one key, if given. */
export const refusedQuery = (account_id: string, key?: string) =>
  queryOptions({
    queryKey: ["account", account_id, "refused-calls", key],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/refused-calls", { params: { path: { account_id }, query: { key } } })),
  });

export type ClientSession = Documents["ClientSessionDocument"];

export const sessionsQuery = (account_id: string) =>
  infiniteQueryOptions({
    queryKey: ["account", account_id, "client-sessions"],
    queryFn: ({ pageParam: cursor }) =>
      ask(api.GET("/api/accounts/{account_id}/sessions", { params: { path: { account_id }, query: { cursor } } })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

export const sessionQuery = (account_id: string, session_id: string) =>
  infiniteQueryOptions({
    queryKey: ["account", account_id, "client-sessions", session_id],
    queryFn: ({ pageParam: cursor }) =>
      ask(api.GET("/api/accounts/{account_id}/sessions/{session_id}", { params: { path: { account_id, session_id }, query: { cursor } } })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

/** The URL of a CSV with a row for each request. */
export function usageCsv(account_id: string, since?: string): string {
  return `/api/accounts/${account_id}/usage.csv${since ? `?since=${encodeURIComponent(since)}` : ""}`;
}

export function readRequests(account_id: string, filter: RequestFilter, cursor?: string): Promise<RequestPage> {
  const query = { ...filter, limit: ROWS, cursor };
  return ask(api.GET("/api/accounts/{account_id}/requests", { params: { path: { account_id }, query } }));
}

/** Read once; `useLatest` adds later requests at the top. */
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
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/lots", { params: { path: { account_id }, query: { joined: true } } })),
    gcTime: 0,
    staleTime: 0,
  });
