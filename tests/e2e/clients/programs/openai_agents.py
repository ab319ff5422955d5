"""An agent of the OpenAI Agents SDK, streaming, over responses or chat completions."""

import asyncio
from typing import Any

from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool, set_tracing_disabled
from openai import AsyncOpenAI
from tools import DIALECT, KEY, MODEL, PROMPT, RETRIES, URL, edit_file, run_command


async def mend() -> Any:
    kind = OpenAIResponsesModel if DIALECT == "openai_responses" else OpenAIChatCompletionsModel
    model = kind(MODEL, AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=RETRIES))
    tools = [function_tool(edit_file), function_tool(run_command)]
    running = Runner.run_streamed(Agent("mender", instructions="Be brief.", model=model, tools=tools), PROMPT)
    async for _ in running.stream_events():
        pass
    return running.final_output


if __name__ == "__main__":
    set_tracing_disabled(disabled=True)
    print(asyncio.run(mend()))
