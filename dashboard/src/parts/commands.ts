// A command for the first request with each client, generated from those of the model pages.
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
