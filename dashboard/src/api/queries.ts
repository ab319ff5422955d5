// What all pages read: session, edition, balance. A page's own queries are beside the page.
import { QueryClient, queryOptions } from "@tanstack/react-query";
import { api, ask, type Documents, Problem } from "./client.ts";

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      retry: (tries, error) => tries < 2 && !(error instanceof Problem && error.status >= 400 && error.status < 500),
    },
  },
});

export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: () => ask(api.GET("/api/session")),
  staleTime: 60_000,
});

export const editionQuery = queryOptions({
  queryKey: ["edition"],
  queryFn: () => ask(api.GET("/api/edition")),
  staleTime: Number.POSITIVE_INFINITY,
});

/** The service's display name: the edition's name without dashes. */
export function serviceName(edition: Documents["EditionDocument"] | undefined): string {
  const words = edition?.name.split("-") ?? ["Token", "Harbor"];
  return words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join(" ");
}

/** Never shown from a cache: read anew, then kept current by the account's events. */
export const balanceQuery = (account_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "balance"],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/balance", { params: { path: { account_id } } })),
    gcTime: 0,
    staleTime: 0,
  });
