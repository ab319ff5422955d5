// The account that the pages are about, and its live stream.
import { createContext, type ReactNode, useContext, useEffect, useMemo } from "react";
import type { Documents } from "../api/client.ts";
import { LiveStream } from "../api/live.ts";

export type Right = "read" | "manage_keys" | "spend" | "manage" | "own";

export interface Scope {
  user: Documents["UserDocument"];
  account: Documents["MembershipDocument"];
  accounts: readonly Documents["MembershipDocument"][];
  live: LiveStream;
}

const Context = createContext<Scope | null>(null);
const KEY = "th-account";

/** Account, user and stream of the page. Only inside the shell. */
export function useScope(): Scope {
  const scope = useContext(Context);
  if (scope === null) throw new Error("outside the shell");
  return scope;
}

/** Whether the user's role in the account allows it; actions that it does not allow are not offered. */
export function useRight(right: Right): boolean {
  return useScope().account.rights.includes(right);
}

export function ScopeProvider({ session, children }: { session: Documents["SessionDocument"]; children: ReactNode }) {
  const account = chosenAccount(session.accounts);
  const live = useMemo(() => new LiveStream(account.id), [account.id]);
  useEffect(() => {
    live.open();
    return () => live.close();
  }, [live]);
  const scope = { user: session.user, account, accounts: session.accounts, live };
  return <Context value={scope}>{children}</Context>;
}

/** From a link's `?account=`, else the one chosen last, else the first. */
function chosenAccount(accounts: readonly Documents["MembershipDocument"][]): Documents["MembershipDocument"] {
  const linked = new URLSearchParams(location.search).get("account");
  const wanted = linked ?? localStorage.getItem(KEY);
  const found = accounts.find((account) => account.id === wanted) ?? accounts[0];
  if (found === undefined) throw new Error("no account");
  if (found.id === linked) localStorage.setItem(KEY, linked); // later pages have no such parameter
  return found;
}

/** An account's name, else the user's. */
export function accountName(account: Documents["MembershipDocument"], user: Documents["UserDocument"]): string {
  return account.name || user.email;
}

/** Reloads the pages, so that nothing of one account is shown in another. */
export function chooseAccount(id: string): void {
  localStorage.setItem(KEY, id);
  location.assign("/dashboard/");
}
