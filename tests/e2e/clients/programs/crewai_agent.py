"""A crew of one, by CrewAI."""

from crewai import LLM, Agent, Crew, Task
from crewai.tools import tool
from tools import DIALECT, KEY, MODEL, PROMPT, URL, edit_file, run_command


def model() -> LLM:
    if DIALECT == "anthropic_messages":
        return LLM(model=MODEL, provider="anthropic", base_url=URL, api_key=KEY, max_tokens=4000)
    return LLM(model=MODEL, provider="openai", base_url=f"{URL}/v1", api_key=KEY)


if __name__ == "__main__":
    tools = [tool("edit_file")(edit_file), tool("run_command")(run_command)]
    mender = Agent(role="Mender", goal="Mend code", backstory="Brief.", llm=model(), tools=tools, max_iter=10)
    task = Task(description=PROMPT, expected_output="What you did", agent=mender)
    print(Crew(agents=[mender], tasks=[task], tracing=False).kickoff().raw)
