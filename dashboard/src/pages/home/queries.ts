// Home's queries: one document, and the change that its first steps make.
import { queryOptions } from "@tanstack/react-query";
import { api, ask, type Documents } from "../../api/client.ts";

export const homeQuery = (account_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "home"],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/home", { params: { path: { account_id } } })),
  });

/** Savings by caches since the month began (UTC): read now and then, not after each request. */
export const savedQuery = (account_id: string, now = new Date()) => {
  const since = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth())).toISOString();
  return queryOptions({
    queryKey: ["account", account_id, "saved", since],
    queryFn: async () => {
      const query = { since, by: ["day" as const] };
      return (await ask(api.GET("/api/accounts/{account_id}/usage", { params: { path: { account_id }, query } }))).total.saved;
    },
    staleTime: 60_000,
  });
};

export function makeFirstKey(account_id: string, name: string): Promise<Documents["NewKeyDocument"]> {
  return ask(api.POST("/api/accounts/{account_id}/keys", { params: { path: { account_id } }, body: { name } }));
}
