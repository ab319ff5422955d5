// Passkeys: passes the API's requests to the browser's authenticator, and its answers back.
import { api, ask } from "./client.ts";

/** Whether this browser supports the API's passkey format. */
export const CAN_PASSKEYS = typeof PublicKeyCredential !== "undefined" && "parseCreationOptionsFromJSON" in PublicKeyCredential;

type Plain = Record<string, unknown>;

/** Asks for a passkey and signs its user in. Throws AbortError or NotAllowedError when the user cancels. */
export async function signInByPasskey(): Promise<void> {
  const { options } = await ask(api.POST("/api/passkey-options"));
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options as unknown as PublicKeyCredentialRequestOptionsJSON);
  const credential = await navigator.credentials.get({ publicKey });
  await ask(api.POST("/api/passkey-session", { body: { credential: plain(credential) } }));
}

export async function addPasskey(password: string, name: string): Promise<void> {
  const { options } = await ask(api.POST("/api/user/passkeys/options", { body: { password } }));
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options as unknown as PublicKeyCredentialCreationOptionsJSON);
  const credential = await navigator.credentials.create({ publicKey });
  await ask(api.POST("/api/user/passkeys", { body: { name, credential: plain(credential) } }));
}

/** Whether the user cancelled or let it time out: no error to show. */
export function isCancelled(error: unknown): boolean {
  return error instanceof DOMException && (error.name === "NotAllowedError" || error.name === "AbortError");
}

function plain(credential: Credential | null): Plain {
  return (credential as PublicKeyCredential).toJSON() as unknown as Plain;
}
