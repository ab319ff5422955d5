// Updates the session that all pages read, after a change.
import { useQueryClient } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import type { Documents } from "../../api/client.ts";
import { sessionQuery } from "../../api/queries.ts";

type Session = Documents["SessionDocument"];

/** Stores the API's answer for all pages. */
export function useKeepSession() {
  const client = useQueryClient();
  const router = useRouter();
  return async (change: (session: Session) => Session) => {
    client.setQueryData(sessionQuery.queryKey, (session) => session && change(session));
    await router.invalidate();
  };
}
