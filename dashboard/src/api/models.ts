// The models' API, called from the page as any client would: with an API key.
import { callRefusal } from "../parts/callRefusals.ts";
import { api, ask } from "./client.ts";

/** The first listed model that this key may use; without a key, the first on sale. */
export async function firstModel(key: string | null): Promise<string> {
  if (key === null) return (await ask(api.GET("/api/models")))[0]?.id ?? "MODEL";
  const response = await fetch("/v1/models", { headers: { authorization: `Bearer ${key}` } });
  const listed = (await response.json()) as { data?: { id: string }[] };
  return listed.data?.[0]?.id ?? "MODEL";
}

/** Throws when the request is refused: with the words for the code, or the API's message for an unknown code. */
export async function callOnce(key: string, model: string): Promise<void> {
  const response = await fetch("/v1/chat/completions", {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model, max_tokens: 200, messages: [{ role: "user", content: "Hello" }] }),
  });
  if (response.ok) return void (await response.text());
  const { error } = (await response.json()) as { error?: { code?: string; message?: string } };
  const words = callRefusal(error?.code ?? "");
  throw new Error(words === error?.code ? (error.message ?? words) : words || response.statusText);
}
