"""LiteLLM as a library: each second answer is streamed, and all that it keeps of the model's turns is sent back."""

import asyncio
import json
from typing import Any

import litellm
from report import REPORT_PROMPT, Report, check
from tools import DIALECT, KEY, MODEL, MOST_TURNS, PROMPT, RETRIES, SCHEMAS, TOOLS, URL

_NAMES = {
    "openai_chat": ("openai", f"{URL}/v1"),
    "anthropic_messages": ("anthropic", URL),
    "gemini": ("gemini", f"{URL}/v1beta"),
}
PREFIX, BASE = _NAMES[DIALECT]
WHERE: Any = {"model": f"{PREFIX}/{MODEL}", "api_base": BASE, "api_key": KEY, "max_retries": RETRIES}


def thinking() -> dict[str, Any]:
    """It takes none for a model that it does not know, unless it is told to."""
    if DIALECT == "anthropic_messages":
        asked: dict[str, Any] = {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 8000}
        return asked | {"allowed_openai_params": ["thinking"]}
    return {"reasoning_effort": "low", "allowed_openai_params": ["reasoning_effort"]}


def mend() -> str:
    tools = [
        {"type": "function", "function": {"name": name, "description": text, "parameters": schema}}
        for name, text, schema in SCHEMAS
    ]
    messages: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": PROMPT}]
    for turn in range(MOST_TURNS):
        asked: Any = {**WHERE, **thinking(), "messages": messages, "tools": tools}
        message = streamed(asked) if turn % 2 else asyncio.run(litellm.acompletion(**asked)).choices[0].message
        if not message.tool_calls:
            return message.content or ""
        messages.append(message)
        for call in message.tool_calls:
            result = TOOLS[call.function.name](**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "name": call.function.name, "content": result})
    return ""


def streamed(asked: Any) -> Any:
    chunks = list(litellm.completion(**asked, stream=True, stream_options={"include_usage": True}))
    return litellm.stream_chunk_builder(chunks, messages=asked["messages"]).choices[0].message


def report() -> None:
    """As a schema and as mere JSON."""
    messages = [{"role": "user", "content": f"{REPORT_PROMPT} Answer in JSON."}]
    for form in (Report, {"type": "json_object"}):
        asked: Any = {**WHERE, "messages": messages, "response_format": form}
        text = litellm.completion(**asked).choices[0].message.content
        check(Report.model_validate_json(text), str(form))


if __name__ == "__main__":
    said = mend()
    report()
    print(said)
