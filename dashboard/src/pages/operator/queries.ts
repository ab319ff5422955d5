// The operator's query: mails to users that were not sent.
import { infiniteQueryOptions } from "@tanstack/react-query";
import { api, ask, type Documents } from "../../api/client.ts";

export type UserMail = Documents["UserMailDocument"];

const ROWS = 50;
const LOOK_MS = 5000;

export const mailsQuery = infiniteQueryOptions({
  queryKey: ["operator", "mails"],
  queryFn: ({ pageParam: cursor }) => ask(api.GET("/api/operator/mails", { params: { query: { cursor, limit: ROWS } } })),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.next_cursor,
  staleTime: 0, // always read anew: an operator who comes back waits for one
  refetchInterval: (query) => query.state.data?.pages.some((page) => page.data.some(isWaiting)) && LOOK_MS,
});

function isWaiting(mail: UserMail): boolean {
  return mail.state === "waiting";
}
