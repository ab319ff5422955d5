"""An assistant of AutoGen's."""

import asyncio
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_ext.models.anthropic import AnthropicChatCompletionClient
from autogen_ext.models.openai import OpenAIChatCompletionClient
from tools import DIALECT, KEY, MODEL, PROMPT, URL, edit_file, run_command

_ABLE = {
    "vision": False,
    "function_calling": True,
    "json_output": True,
    "family": "unknown",
    "structured_output": True,
    "multiple_system_messages": True,
}


def model() -> Any:
    if DIALECT == "anthropic_messages":
        return AnthropicChatCompletionClient(model=MODEL, base_url=URL, api_key=KEY, model_info=_ABLE, max_tokens=4000)
    return OpenAIChatCompletionClient(model=MODEL, base_url=f"{URL}/v1", api_key=KEY, model_info=_ABLE)


async def mend() -> str:
    tools = [edit_file, run_command]
    agent = AssistantAgent("mender", model_client=model(), tools=tools, max_tool_iterations=10)
    done = await agent.run(task=PROMPT)
    return str(done.messages[-1].content)


if __name__ == "__main__":
    print(asyncio.run(mend()))
