// The API of the models, called from the page as any client calls it: with a key.
import { callRefusal } from "../parts/callRefusals.ts";
import { api, ask } from "./client.ts";

/** The first model on the list that this key may use; where no key is known, the first that is on sale. */
export async function firstModel(key: string | null): Promise<string> {
  if (key === null) return (await ask(api.GET("/api/models")))[0]?.id ?? "MODEL";
  const response = await fetch("/v1/models", { headers: { authorization: `Bearer ${key}` } });
  const listed = (await response.json()) as { data?: { id: string }[] };
  return listed.data?.[0]?.id ?? "MODEL";
}

/** Throws when it is refused: the code's words, or what the API says where the code is not known here. */
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
