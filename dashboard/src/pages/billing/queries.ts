// What the pages of billing read and change.
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, ask, type Documents } from "../../api/client.ts";
import type { LedgerType } from "../../api/ledger.ts";

export type TopUp = Documents["TopUpDocument"];
export type Refund = Documents["RefundDocument"];

const ROWS = 50;

export const lotsQuery = (account_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "lots"],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/lots", { params: { path: { account_id } } })),
    gcTime: 0,
  });

export const topUpsQuery = (account_id: string) =>
  infiniteQueryOptions({
    queryKey: ["account", account_id, "top-ups"],
    queryFn: ({ pageParam: cursor }) =>
      ask(api.GET("/api/accounts/{account_id}/top-ups", { params: { path: { account_id }, query: { cursor, limit: ROWS } } })),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });

export const ledgerQuery = (account_id: string, type: LedgerType | null) =>
  infiniteQueryOptions({
    queryKey: ["account", account_id, "ledger", type],
    queryFn: ({ pageParam: cursor }) =>
      ask(
        api.GET("/api/accounts/{account_id}/ledger", {
          params: { path: { account_id }, query: { ...(type && { type }), cursor, limit: ROWS } },
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });

export const refundsQuery = (account_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "refunds"],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/refunds", { params: { path: { account_id } } })),
  });

export const matchQuery = (account_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "rewards"],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/rewards", { params: { path: { account_id } } })),
    select: (rewards) => rewards.match,
  });

const LOOK_MS = 2000;

export function isWaiting(topUp: TopUp): boolean {
  return topUp.state === "open" || topUp.state === "pending";
}

/** Read at its processor until it is paid or over: what was paid is credited by looking. */
export const awaitedTopUpQuery = (account_id: string, top_up_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "top-up", top_up_id],
    queryFn: () =>
      ask(api.POST("/api/accounts/{account_id}/top-ups/{top_up_id}/sync", { params: { path: { account_id, top_up_id } } })),
    refetchInterval: (query) => query.state.data && isWaiting(query.state.data) && LOOK_MS,
  });

export function openTopUp(account_id: string, idempotencyKey: string, body: Documents["TopUpBody"]) {
  const params = { path: { account_id }, header: { "Idempotency-Key": idempotencyKey } };
  return ask(api.POST("/api/accounts/{account_id}/top-ups", { params, body }));
}

export const refundPreviewQuery = (account_id: string, top_up_id: string, amount_usd: string | null) =>
  queryOptions({
    queryKey: ["account", account_id, "refund-preview", top_up_id, amount_usd],
    queryFn: () =>
      ask(
        api.GET("/api/accounts/{account_id}/top-ups/{top_up_id}/refund-preview", {
          params: { path: { account_id, top_up_id }, query: { ...(amount_usd && { amount_usd }) } },
        }),
      ),
    staleTime: 0,
    gcTime: 0,
    retry: false,
  });

export function askRefund(account_id: string, top_up_id: string, idempotencyKey: string, amount_usd: string | null) {
  const params = { path: { account_id, top_up_id }, header: { "Idempotency-Key": idempotencyKey } };
  return ask(api.POST("/api/accounts/{account_id}/top-ups/{top_up_id}/refunds", { params, body: { amount_usd, reason: "" } }));
}
