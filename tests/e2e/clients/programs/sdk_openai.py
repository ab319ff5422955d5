"""OpenAI's SDK for Python, streaming, with a loop over tool calls: chat completions or responses."""

import json
from typing import Any

from openai import OpenAI
from tools import DIALECT, KEY, MODEL, MOST_TURNS, PROMPT, RETRIES, SCHEMAS, TOOLS, URL


def chat(client: OpenAI) -> str:
    tools: Any = [
        {"type": "function", "function": {"name": name, "description": text, "parameters": schema, "strict": True}}
        for name, text, schema in SCHEMAS
    ]
    messages: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": PROMPT}]
    for _ in range(MOST_TURNS):
        with client.chat.completions.stream(model=MODEL, messages=messages, tools=tools) as stream:
            message = stream.get_final_completion().choices[0].message
        if not message.tool_calls:
            return message.content or ""
        calls = [{"id": c.id, "type": "function", "function": _plain(c.function)} for c in message.tool_calls]
        messages.append({"role": "assistant", "content": message.content, "tool_calls": calls})
        for call in message.tool_calls:
            result = TOOLS[call.function.name](**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    return ""


def _plain(function: Any) -> dict[str, str]:
    return {"name": function.name, "arguments": function.arguments}


def responses(client: OpenAI) -> str:
    tools: Any = [
        {"type": "function", "name": name, "description": text, "parameters": schema, "strict": True}
        for name, text, schema in SCHEMAS
    ]
    items: Any = [{"role": "user", "content": PROMPT}]
    options: Any = {"store": False, "include": ["reasoning.encrypted_content"], "reasoning": {"effort": "low"}}
    for _ in range(MOST_TURNS):
        with client.responses.stream(model=MODEL, input=items, tools=tools, **options) as stream:
            response = stream.get_final_response()
        calls = [item for item in response.output if item.type == "function_call"]
        if not calls:
            return response.output_text
        items += [_without_parsed(item.model_dump(exclude_none=True)) for item in response.output]
        for call in calls:
            result = TOOLS[call.name](**json.loads(call.arguments))
            items.append({"type": "function_call_output", "call_id": call.call_id, "output": result})
    return ""


def _without_parsed(item: dict[str, Any]) -> dict[str, Any]:
    """The SDK adds what it parsed; it is no part of the wire."""
    return {name: value for name, value in item.items() if name != "parsed_arguments"}


if __name__ == "__main__":
    sdk = OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=RETRIES)
    print({"openai_chat": chat, "openai_responses": responses}[DIALECT](sdk))
