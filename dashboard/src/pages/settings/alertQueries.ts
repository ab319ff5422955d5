// Queries and changes of the tabs of alerts, free models and caches.
import { queryOptions } from "@tanstack/react-query";
import { api, ask, type Documents } from "../../api/client.ts";

const path = (account_id: string) => ({ params: { path: { account_id } } });

export const alertsQuery = (account_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "alerts"],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/alerts", path(account_id))),
  });

const NOTICES = 50;

export const noticesQuery = (account_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "notices"],
    queryFn: () =>
      ask(api.GET("/api/accounts/{account_id}/notices", { params: { path: { account_id }, query: { limit: NOTICES } } })),
  });

export function changeAlerts(account_id: string, body: Documents["AlertsBody"]) {
  return ask(api.PATCH("/api/accounts/{account_id}/alerts", { ...path(account_id), body }));
}

export function setWebhook(account_id: string, url: string) {
  return ask(api.PUT("/api/accounts/{account_id}/alerts/webhook", { ...path(account_id), body: { url } }));
}

export function dropWebhook(account_id: string) {
  return ask(api.DELETE("/api/accounts/{account_id}/alerts/webhook", path(account_id)));
}

export function sendTest(account_id: string) {
  return ask(api.POST("/api/accounts/{account_id}/alerts/test", path(account_id)));
}

export const freeModelsQuery = (account_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "free-models"],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/free-models", path(account_id))),
  });

export function agreeToFreeModels(account_id: string, wording: string) {
  return ask(api.PUT("/api/accounts/{account_id}/free-models", { ...path(account_id), body: { wording } }));
}

export function turnOffFreeModels(account_id: string) {
  return ask(api.DELETE("/api/accounts/{account_id}/free-models", path(account_id)));
}

export const cachingQuery = (account_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "caching"],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/caching", path(account_id))),
  });

export function changeCaching(account_id: string, body: Documents["CachingBody"]) {
  return ask(api.PATCH("/api/accounts/{account_id}/caching", { ...path(account_id), body }));
}

/** The name of the user who agreed: the consent has an id, the team has names. */
export const agreedByQuery = (account_id: string, by: string) =>
  queryOptions({
    queryKey: ["account", account_id, "members", "name", by],
    queryFn: async () => {
      const { data } = await ask(api.GET("/api/accounts/{account_id}/members", path(account_id)));
      const found = data.find((member) => member.id === by);
      return found === undefined ? null : found.name || found.email;
    },
  });
