// What Home reads: one document, and two changes that its first steps make.
import { queryOptions } from "@tanstack/react-query";
import { api, ask, type Documents } from "../../api/client.ts";

export const homeQuery = (account_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "home"],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/home", { params: { path: { account_id } } })),
  });

export function claimWelcome(account_id: string): Promise<Documents["RewardDocument"]> {
  return ask(api.POST("/api/accounts/{account_id}/rewards/welcome-grant", { params: { path: { account_id } } }));
}

export function makeFirstKey(account_id: string, name: string): Promise<Documents["NewKeyDocument"]> {
  return ask(api.POST("/api/accounts/{account_id}/keys", { params: { path: { account_id } }, body: { name } }));
}
