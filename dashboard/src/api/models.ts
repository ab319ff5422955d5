// The API of the models, called from the page as any client calls it: with a key.

/** The first model on the list that this key may use. */
export async function firstModel(key: string): Promise<string> {
  const response = await fetch("/v1/models", { headers: { authorization: `Bearer ${key}` } });
  const listed = (await response.json()) as { data?: { id: string }[] };
  return listed.data?.[0]?.id ?? "MODEL";
}

/** Throws what the API says when it refuses. */
export async function callOnce(key: string, model: string): Promise<void> {
  const response = await fetch("/v1/chat/completions", {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model, max_tokens: 200, messages: [{ role: "user", content: "Hello" }] }),
  });
  if (response.ok) return void (await response.text());
  const failed = (await response.json()) as { error?: { message?: string } };
  throw new Error(failed.error?.message ?? response.statusText);
}
