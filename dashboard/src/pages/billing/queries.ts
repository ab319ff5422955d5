// Queries and changes of the billing pages.
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, ask, type Documents } from "../../api/client.ts";
import type { LedgerType } from "../../api/ledger.ts";

export type TopUp = Documents["TopUpDocument"];
export type Refund = Documents["RefundDocument"];

const ROWS = 50;

export const lotsQuery = (account_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "lots"],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/lots", { params: { path: { account_id }, query: { joined: true } } })),
    gcTime: 0,
  });

export const holdsQuery = (account_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "holds"],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/holds", { params: { path: { account_id } } })),
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

/** Polled until it is paid or over: reading it also credits a payment that has arrived. */
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

export const disputesQuery = (account_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "disputes"],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/disputes", { params: { path: { account_id } } })),
  });

export const budgetsQuery = (account_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "budgets"],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/budgets", { params: { path: { account_id } } })),
    gcTime: 0,
  });

export function changeBudgets(account_id: string, body: Documents["BudgetsBody"]) {
  return ask(api.PATCH("/api/accounts/{account_id}/budgets", { params: { path: { account_id } }, body }));
}

const WATCH_MS = 10_000;

/** Read again while a charge is in progress. */
export const autoTopUpQuery = (account_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "auto-top-up"],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/auto-top-up", { params: { path: { account_id } } })),
    refetchInterval: (query) => query.state.data?.brake === "in_flight" && WATCH_MS,
  });

export function setAutoTopUp(account_id: string, body: Documents["AutoTopUpBody"]) {
  return ask(api.PUT("/api/accounts/{account_id}/auto-top-up", { params: { path: { account_id } }, body }));
}

export function switchOffAutoTopUp(account_id: string) {
  return ask(api.DELETE("/api/accounts/{account_id}/auto-top-up", { params: { path: { account_id } } }));
}

export const outlookQuery = (account_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "outlook"],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/withdrawals/outlook", { params: { path: { account_id } } })),
    staleTime: 0,
    gcTime: 0,
  });

export const withdrawalsQuery = (account_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "withdrawals"],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/withdrawals", { params: { path: { account_id } } })),
  });

export const payeesQuery = (account_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "payees"],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/payees", { params: { path: { account_id } } })),
  });

/** A withdrawal's destination: the payment of a top-up, or a payee. */
export type Destination = { top_up: string } | { payee: string };

export const withdrawalPreviewQuery = (account_id: string, to: Destination, amount_usd: string | null) =>
  queryOptions({
    queryKey: ["account", account_id, "withdrawal-preview", to, amount_usd],
    queryFn: () =>
      ask(
        api.GET("/api/accounts/{account_id}/withdrawals/preview", {
          params: { path: { account_id }, query: { ...to, ...(amount_usd && { amount_usd }) } },
        }),
      ),
    staleTime: 0,
    gcTime: 0,
    retry: false,
  });

export function askWithdrawal(account_id: string, idempotencyKey: string, to: Destination, amount_usd: string | null) {
  const params = { path: { account_id }, header: { "Idempotency-Key": idempotencyKey } };
  return ask(api.POST("/api/accounts/{account_id}/withdrawals", { params, body: { ...to, amount_usd, reason: "" } }));
}

export function cancelWithdrawal(account_id: string, withdrawal_id: string) {
  const params = { path: { account_id, withdrawal_id } };
  return ask(api.POST("/api/accounts/{account_id}/withdrawals/{withdrawal_id}/cancellation", { params }));
}

export function addPayee(account_id: string, body: Documents["PayeeBody"]) {
  return ask(api.POST("/api/accounts/{account_id}/payees", { params: { path: { account_id } }, body }));
}

export function removePayee(account_id: string, payee_id: string) {
  return ask(api.DELETE("/api/accounts/{account_id}/payees/{payee_id}", { params: { path: { account_id, payee_id } } }));
}

export const statementQuery = (account_id: string, span: { since: string; until: string }) =>
  queryOptions({
    queryKey: ["account", account_id, "statement", span],
    queryFn: () =>
      ask(api.GET("/api/accounts/{account_id}/statements", { params: { path: { account_id }, query: span } })),
    retry: false,
  });
