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

/** The service's name as people read it: the edition's, without its dashes. */
export function serviceName(edition: Documents["EditionDocument"] | undefined): string {
  const words = edition?.name.split("-") ?? ["Token", "Harbor"];
  return words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join(" ");
}

/** Never painted from a cache: it is asked for anew, and then kept by the account's events. */
export const balanceQuery = (account_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "balance"],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/balance", { params: { path: { account_id } } })),
    gcTime: 0,
    staleTime: 0,
  });
