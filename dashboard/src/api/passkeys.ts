// Passkeys: what the API asks of the browser's authenticator, and what this says.
import { api, ask } from "./client.ts";

/** Whether this browser can speak to an authenticator as the API does. */
export const CAN_PASSKEYS = typeof PublicKeyCredential !== "undefined" && "parseCreationOptionsFromJSON" in PublicKeyCredential;

type Plain = Record<string, unknown>;

/** Asks for the sign of whoever sits here, and signs them in. Whoever calls it off gets an AbortError or a NotAllowedError. */
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

/** Whether somebody called it off, or let it pass: no fault to be told. */
export function isCalledOff(error: unknown): boolean {
  return error instanceof DOMException && (error.name === "NotAllowedError" || error.name === "AbortError");
}

function plain(credential: Credential | null): Plain {
  return (credential as PublicKeyCredential).toJSON() as unknown as Plain;
}
