// Queries and changes of the rewards page.
import { queryOptions } from "@tanstack/react-query";
import { api, ask, type Documents } from "../../api/client.ts";

export const rewardsQuery = (account_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "rewards"],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/rewards", { params: { path: { account_id } } })),
  });

export function redeemCode(account_id: string, code: string): Promise<Documents["RewardDocument"]> {
  return ask(api.POST("/api/accounts/{account_id}/codes", { params: { path: { account_id } }, body: { code } }));
}
