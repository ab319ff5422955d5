// Vercel's AI SDK, streaming, over each of its dialects.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { jsonSchema, stepCountIs, streamText, tool } from "ai";
import { dialect, key, model, mostTurns, prompt, retries, schemas, tools as functions, url } from "./tools.mjs";

const models = {
  openai_chat: () => createOpenAICompatible({ name: "gw", baseURL: `${url}/v1`, apiKey: key })(model),
  openai_responses: () => createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).responses(model),
  anthropic_messages: () => createAnthropic({ baseURL: `${url}/v1`, apiKey: key })(model),
  gemini: () => createGoogleGenerativeAI({ baseURL: `${url}/v1beta`, apiKey: key })(model),
};
const tools = Object.fromEntries(schemas.map(([name, description, schema]) => [
  name, tool({ description, inputSchema: jsonSchema(schema), execute: async (given) => functions[name](given) }),
]));
const { [dialect]: chosen } = models;
const options = { system: "Be brief.", prompt, tools, stopWhen: stepCountIs(mostTurns), maxRetries: retries, onError };
const providerOptions = { openai: { store: false } }; // else it refers to answers that it takes to be stored
const running = streamText({ model: chosen(), ...options, providerOptions });
function onError({ error }) {
  console.error(error);
  process.exitCode = 1;
}
for await (const text of running.textStream) process.stdout.write(text);
