// Google's SDK for JavaScript, without streaming, with a loop over function calls.
import { GoogleGenAI } from "@google/genai";
import { key, model, mostTurns, prompt, schemas, tools, url } from "./tools.mjs";

async function mend(client) {
  const functionDeclarations = schemas.map(([name, description, parametersJsonSchema]) => ({
    name, description, parametersJsonSchema,
  }));
  const config = { systemInstruction: "Be brief.", tools: [{ functionDeclarations }] };
  const contents = [{ role: "user", parts: [{ text: prompt }] }];
  for (let turn = 0; turn < mostTurns; turn++) {
    const answer = await client.models.generateContent({ model, contents, config });
    const calls = answer.functionCalls ?? [];
    if (!calls.length) return answer.text;
    const parts = calls.map(({ id, name, args }) => ({
      functionResponse: { id, name, response: { result: tools[name](args) } },
    }));
    contents.push(answer.candidates[0].content, { role: "user", parts });
  }
}

console.log(await mend(new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url } })));
