// Anthropic's SDK for JavaScript, without streaming, with a loop over tool calls.
import Anthropic from "@anthropic-ai/sdk";
import { key, model, mostTurns, prompt, retries, schemas, tools, url } from "./tools.mjs";

async function mend(client) {
  const offered = schemas.map(([name, description, input_schema]) => ({ name, description, input_schema }));
  const messages = [{ role: "user", content: prompt }];
  for (let turn = 0; turn < mostTurns; turn++) {
    const options = { max_tokens: 4000, system: "Be brief." };
    const { content } = await client.messages.create({ model, messages, tools: offered, ...options });
    const calls = content.filter((block) => block.type === "tool_use");
    if (!calls.length) return content.map((block) => block.text ?? "").join("");
    const results = calls.map(({ id, name, input }) => ({
      type: "tool_result", tool_use_id: id, content: tools[name](input),
    }));
    messages.push({ role: "assistant", content }, { role: "user", content: results });
  }
}

console.log(await mend(new Anthropic({ baseURL: url, apiKey: key, maxRetries: retries })));
