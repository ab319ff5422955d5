// A first call with each client, as it is typed: generated from what the pages of models show.
import clients from "./commands.json";

export interface ClientCommand {
  id: string;
  name: string;
  text: (at: { origin: string; key: string; model: string }) => string;
}

export const COMMANDS: readonly ClientCommand[] = clients.map(({ id, name, text }) => ({
  id,
  name,
  text: ({ origin, key, model }) => text.replaceAll("<origin>", origin).replaceAll("<key>", key).replaceAll("<model>", model),
}));
