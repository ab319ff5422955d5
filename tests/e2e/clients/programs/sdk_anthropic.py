"""Anthropic's SDK for Python, streaming, thinking on, with a loop over tool calls."""

from typing import Any

from anthropic import Anthropic
from tools import KEY, MODEL, MOST_TURNS, PROMPT, RETRIES, SCHEMAS, TOOLS, URL


def mend(client: Anthropic) -> str:
    tools: Any = [{"name": name, "description": text, "input_schema": schema} for name, text, schema in SCHEMAS]
    messages: Any = [{"role": "user", "content": PROMPT}]
    options: Any = {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 8000, "system": "Be brief."}
    for _ in range(MOST_TURNS):
        with client.messages.stream(model=MODEL, messages=messages, tools=tools, **options) as stream:
            message = stream.get_final_message()
        if message.stop_reason != "tool_use":
            return "".join(block.text for block in message.content if block.type == "text")
        messages.append({"role": "assistant", "content": message.content})
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": TOOLS[block.name](**block.input)}
            for block in message.content
            if block.type == "tool_use"
        ]
        messages.append({"role": "user", "content": results})
    return ""


if __name__ == "__main__":
    print(mend(Anthropic(base_url=URL, api_key=KEY, max_retries=RETRIES)))
