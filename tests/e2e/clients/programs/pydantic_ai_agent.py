"""An agent of Pydantic AI's, streaming, thinking on, over each of the dialects that it speaks."""

import asyncio
from typing import Any

from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic_ai import Agent, NativeOutput, PromptedOutput, ToolOutput
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider
from report import REPORT_PROMPT, Report, check
from tools import DIALECT, KEY, MODEL, PROMPT, RETRIES, URL, edit_file, run_command

_SCHEMAS: Any = {"supports_json_schema_output": True}
_SEALED: Any = {"openai_supports_reasoning": True, "openai_supports_encrypted_reasoning_content": True}


def model() -> tuple[Any, Any]:
    """With its settings for thinking, and what it only assumes of models whose names it knows."""
    match DIALECT:
        case "anthropic_messages":
            sdk = AsyncAnthropic(base_url=URL, api_key=KEY, max_retries=RETRIES)
            thinking: Any = {"anthropic_thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 8000}
            provider = AnthropicProvider(anthropic_client=sdk)
            return AnthropicModel(MODEL, provider=provider, profile=_SCHEMAS), thinking
        case "gemini":
            google = GoogleProvider(api_key=KEY, base_url=URL)
            return GoogleModel(MODEL, provider=google), {"google_thinking_config": {"include_thoughts": True}}
    openai = OpenAIProvider(openai_client=AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=RETRIES))
    if DIALECT == "openai_responses":
        thinking = {"openai_reasoning_effort": "low", "openai_reasoning_summary": "auto", "openai_store": False}
        return OpenAIResponsesModel(MODEL, provider=openai, profile=_SEALED), thinking
    return OpenAIChatModel(MODEL, provider=openai), {"openai_reasoning_effort": "low"}


async def streaming(_: Any, events: Any) -> None:
    """What takes the events makes the agent ask for streams."""
    async for _event in events:
        pass


async def mend() -> Any:
    chosen, thinking = model()
    agent = Agent(chosen, instructions="Be brief.", tools=[edit_file, run_command], model_settings=thinking)
    done = await agent.run(PROMPT, event_stream_handler=streaming)
    for output in (ToolOutput(Report, name="Report"), NativeOutput(Report), PromptedOutput(Report)):
        told: Any = await Agent(chosen, output_type=output).run(REPORT_PROMPT)
        check(told.output, type(output).__name__)
    return done.output


if __name__ == "__main__":
    print(asyncio.run(mend()))
