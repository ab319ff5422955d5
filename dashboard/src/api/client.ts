// The control API, typed by its OpenAPI document; an answer that is an error is thrown as a Problem.
import { i18n } from "@lingui/core";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.d.ts";

export type Documents = components["schemas"];

/** An API error. An operator asks for its `requestId`. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly param: string | null = null,
    readonly requestId: string | null = null,
  ) {
    super(message);
  }
}

export const api = createClient<paths>({ baseUrl: "/", querySerializer: { array: { style: "form", explode: true } } });

// Mails are in the language of the pages, whatever the browser itself prefers.
api.use({
  onRequest({ request }) {
    request.headers.set("accept-language", i18n.locale);
    return request;
  },
});

/** The document of an answer. Throws a Problem. */
export async function ask<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await call.catch(unreachable);
  if (response.ok) return data as T;
  const detail = (error as Partial<Documents["ErrorDocument"]> | undefined)?.error;
  throw new Problem(
    response.status,
    detail?.code ?? "unreachable",
    detail ? await inWords(detail) : response.statusText,
    detail?.param,
    detail?.request_id ?? response.headers.get("x-request-id"),
  );
}

/** A problem in the reader's language, or the API's own message if there is no translation. */
async function inWords(detail: Documents["ErrorDetail"]): Promise<string> {
  const words = await import("./refusals.ts").catch(() => null);
  return words?.sayRefusal(detail) ?? detail.message;
}

function unreachable(): never {
  throw new Problem(0, "unreachable", "");
}

/** A header for requests that move money: one key per intent, the same on each retry. */
export function newIdempotencyKey(): string {
  return crypto.randomUUID();
}
