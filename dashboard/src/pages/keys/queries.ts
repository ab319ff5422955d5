// Queries and changes of the key pages.
import { queryOptions } from "@tanstack/react-query";
import { api, ask, type Documents } from "../../api/client.ts";

export type Key = Documents["SpendingKeyDocument"];
export type KeyRules = Documents["KeyRulesBody"];

export const keysQuery = (account_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "keys"],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/keys", { params: { path: { account_id } } })),
  });

export const keyQuery = (account_id: string, key_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "keys", key_id],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/keys/{key_id}", { params: { path: { account_id, key_id } } })),
  });

export function makeKey(account_id: string, body: KeyRules) {
  return ask(api.POST("/api/accounts/{account_id}/keys", { params: { path: { account_id } }, body }));
}

export function changeKey(account_id: string, key_id: string, body: KeyRules) {
  return ask(api.PATCH("/api/accounts/{account_id}/keys/{key_id}", { params: { path: { account_id, key_id } }, body }));
}

export function rotateKey(account_id: string, key_id: string, overlap_hours: number) {
  const params = { path: { account_id, key_id } };
  return ask(api.POST("/api/accounts/{account_id}/keys/{key_id}/rotation", { params, body: { overlap_hours } }));
}

export function revokeKey(account_id: string, key_id: string) {
  return ask(api.POST("/api/accounts/{account_id}/keys/{key_id}/revocation", { params: { path: { account_id, key_id } } }));
}

export function deleteKey(account_id: string, key_id: string) {
  return ask(api.DELETE("/api/accounts/{account_id}/keys/{key_id}", { params: { path: { account_id, key_id } } }));
}
