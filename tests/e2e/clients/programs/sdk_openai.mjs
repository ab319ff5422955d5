// OpenAI's SDK for JavaScript, without streaming, with a loop over tool calls: chat completions or responses.
import OpenAI from "openai";
import { dialect, key, model, mostTurns, prompt, retries, schemas, tools, url } from "./tools.mjs";

async function chat(client) {
  const offered = schemas.map(([name, description, parameters]) => ({
    type: "function",
    function: { name, description, parameters },
  }));
  const messages = [{ role: "developer", content: "Be brief." }, { role: "user", content: prompt }];
  for (let turn = 0; turn < mostTurns; turn++) {
    const answer = await client.chat.completions.create({ model, messages, tools: offered });
    const message = answer.choices[0].message;
    if (!message.tool_calls?.length) return message.content;
    messages.push(message);
    for (const { id, function: called } of message.tool_calls) {
      const content = tools[called.name](JSON.parse(called.arguments));
      messages.push({ role: "tool", tool_call_id: id, content });
    }
  }
}

async function responses(client) {
  const offered = schemas.map(([name, description, parameters]) => ({
    type: "function", name, description, parameters, strict: true,
  }));
  const input = [{ role: "user", content: prompt }];
  const options = { store: false, include: ["reasoning.encrypted_content"], instructions: "Be brief." };
  for (let turn = 0; turn < mostTurns; turn++) {
    const answer = await client.responses.create({ model, input, tools: offered, ...options });
    const calls = answer.output.filter((item) => item.type === "function_call");
    if (!calls.length) return answer.output_text;
    input.push(...answer.output);
    for (const { call_id, name, arguments: given } of calls) {
      input.push({ type: "function_call_output", call_id, output: tools[name](JSON.parse(given)) });
    }
  }
}

const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: retries });
console.log(await { openai_chat: chat, openai_responses: responses }[dialect](client));
