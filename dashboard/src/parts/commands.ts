// A first call with each client, as it is typed. The same base addresses as in docs/clients.md.

export interface ClientCommand {
  id: string;
  name: string;
  text: (at: { origin: string; key: string; model: string }) => string;
}

export const COMMANDS: readonly ClientCommand[] = [
  {
    id: "curl",
    name: "curl",
    text: ({ origin, key, model }) =>
      `curl ${origin}/v1/chat/completions \\
  -H "Authorization: Bearer ${key}" -H "Content-Type: application/json" \\
  -d '{"model": "${model}", "messages": [{"role": "user", "content": "Hello"}]}'`,
  },
  {
    id: "openai",
    name: "OpenAI SDK",
    text: ({ origin, key, model }) =>
      `from openai import OpenAI

client = OpenAI(base_url="${origin}/v1", api_key="${key}")
answer = client.chat.completions.create(
    model="${model}", messages=[{"role": "user", "content": "Hello"}]
)
print(answer.choices[0].message.content)`,
  },
  {
    id: "anthropic",
    name: "Anthropic SDK",
    text: ({ origin, key, model }) =>
      `from anthropic import Anthropic

client = Anthropic(base_url="${origin}", api_key="${key}")
answer = client.messages.create(
    model="${model}", max_tokens=200, messages=[{"role": "user", "content": "Hello"}]
)
print(answer.content[0].text)`,
  },
  {
    id: "claude",
    name: "Claude Code",
    text: ({ origin, key, model }) =>
      `ANTHROPIC_BASE_URL=${origin} ANTHROPIC_API_KEY=${key} claude --model ${model}`,
  },
  {
    id: "codex",
    name: "Codex",
    text: ({ origin, key, model }) =>
      `export TOKENHARBOR_KEY=${key}
codex -m ${model} -c model_provider=harbor \\
  -c 'model_providers.harbor={name="harbor", base_url="${origin}/v1", env_key="TOKENHARBOR_KEY", wire_api="responses"}'`,
  },
  {
    id: "opencode",
    name: "opencode",
    text: ({ origin, key, model }) =>
      `OPENCODE_CONFIG_CONTENT='{"provider": {"harbor": {"npm": "@ai-sdk/openai-compatible",
  "options": {"baseURL": "${origin}/v1", "apiKey": "${key}"}, "models": {"${model}": {}}}}}' \\
  opencode --model harbor/${model}`,
  },
  {
    id: "gemini",
    name: "Gemini CLI",
    text: ({ origin, key, model }) => `GOOGLE_GEMINI_BASE_URL=${origin} GEMINI_API_KEY=${key} gemini -m ${model}`,
  },
  {
    id: "langchain",
    name: "LangChain",
    text: ({ origin, key, model }) =>
      `from langchain_openai import ChatOpenAI

chat = ChatOpenAI(base_url="${origin}/v1", api_key="${key}", model="${model}")
print(chat.invoke("Hello").content)`,
  },
];
