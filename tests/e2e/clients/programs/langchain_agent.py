"""A LangChain agent over each of the dialects that LangChain speaks."""

from typing import Any

from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI
from tools import DIALECT, KEY, MODEL, PROMPT, RETRIES, URL, edit_file, run_command


def model() -> Any:
    openai: Any = {"model": MODEL, "base_url": f"{URL}/v1", "api_key": KEY, "max_retries": RETRIES}
    match DIALECT:
        case "anthropic_messages":
            return ChatAnthropic(model=MODEL, base_url=URL, api_key=KEY, max_retries=RETRIES, max_tokens=4000)
        case "gemini":
            return ChatGoogleGenerativeAI(model=MODEL, base_url=URL, api_key=KEY, max_retries=RETRIES + 1)
        case "openai_responses":
            return ChatOpenAI(**openai, use_responses_api=True)
        case _:
            return ChatOpenAI(**openai)


if __name__ == "__main__":
    agent = create_agent(model(), tools=[edit_file, run_command], system_prompt="Be brief.")
    said = agent.invoke({"messages": [{"role": "user", "content": PROMPT}]})
    print(said["messages"][-1].text)
