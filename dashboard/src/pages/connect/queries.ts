// A tool's connection request, and the user's answer.
import { api, ask, type Documents } from "../../api/client.ts";
import { type RuleValues, toRules } from "../keys/rules.ts";

/** A request by browser: the parameters that the tool put into the address. */
export interface BrowserAsk {
  name?: string | undefined;
  code_challenge?: string | undefined;
  redirect_uri?: string | undefined;
  state?: string | undefined;
}

export type PendingConnection = Documents["PendingConnectionDocument"];

export function lookUp(user_code: string): Promise<PendingConnection> {
  return ask(api.GET("/api/connections/{user_code}", { params: { path: { user_code } } }));
}

export async function refuse(user_code: string): Promise<void> {
  await ask(api.DELETE("/api/connections/{user_code}", { params: { path: { user_code } } }));
}

export async function agree(account_id: string, user_code: string, values: RuleValues): Promise<void> {
  await ask(api.POST("/api/accounts/{account_id}/connections", { params: { path: { account_id } }, body: { user_code, ...limits(values) } }));
}

/** The address to return to: the tool, on this machine. */
export async function agreeByBrowser(account_id: string, asked: BrowserAsk, values: RuleValues): Promise<string> {
  const { name = "", code_challenge = "", redirect_uri = "", state = "" } = asked;
  const body = { name, code_challenge, redirect_uri, state, ...limits(values) };
  const { redirect_to } = await ask(api.POST("/api/accounts/{account_id}/connections/browser", { params: { path: { account_id } }, body }));
  return redirect_to;
}

const LIMITS: readonly string[] = ["quota_usd", "daily_usd", "monthly_usd", "expires_at"];

function limits(values: RuleValues) {
  return toRules(values, (field) => LIMITS.includes(field));
}
