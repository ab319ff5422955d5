"""The frameworks and the vendors' own SDKs: small programs that give a model two tools and a prompt."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.e2e.clients.agents import Call, Client, Home
from tests.e2e.clients.place import Ended, Place, run
from tests.e2e.clients.repository import REPORT, REPORT_PROMPT, RIGHT, SOURCE, TEST_COMMAND, WRONG
from tests.e2e.clients.toolbox import find_node

_PROGRAMS = Path(__file__).parent / "programs"

_CHAT, _RESPONSES, _MESSAGES, _GEMINI = "openai_chat", "openai_responses", "anthropic_messages", "gemini"
_ALL = (_CHAT, _RESPONSES, _MESSAGES, _GEMINI)
_OFF = {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "OTEL_SDK_DISABLED": "true",
    "LANGSMITH_TRACING": "false",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "AI_SDK_LOG_WARNINGS": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}


def _calls(_: Path) -> tuple[Call, ...]:
    return (
        (1, "run_command", {"command": f"cat {SOURCE}"}),
        (1, "run_command", {"command": "cat test_berths.py"}),
        (2, "edit_file", {"path": SOURCE, "old": WRONG, "new": RIGHT}),
        (3, "run_command", {"command": TEST_COMMAND}),
    )


def _environment(place: Place, prompt: str, dialect: str) -> Mapping[str, str]:
    said = {"URL": place.url, "KEY": place.key, "MODEL": place.model, "DIALECT": dialect, "PROMPT": prompt}
    said |= {"RETRIES": str(place.retries), "REPORT_PROMPT": REPORT_PROMPT, "REPORT": REPORT}
    return {f"HARBOR_{name}": value for name, value in said.items()} | _OFF


def _python(program: str, dialect: str) -> Callable[[Place, str], Ended]:
    def start(place: Place, prompt: str) -> Ended:
        command = (str(place.commands / "python"), str(_PROGRAMS / f"{program}.py"))
        return run(place, command, _environment(place, prompt, dialect))

    return start


def _javascript(program: str, dialect: str) -> Callable[[Place, str], Ended]:
    """Modules are looked for from where the program lies, so it is laid beside them."""

    def start(place: Place, prompt: str) -> Ended:
        folder = place.prepare().folder
        for name in (program, "tools"):
            shutil.copy(_PROGRAMS / f"{name}.mjs", folder)
        (folder / "node_modules").symlink_to(place.commands.parent)
        command = (find_node().node, str(folder / f"{program}.mjs"))
        return run(place, command, _environment(place, prompt, dialect))

    return start


def _clients(name: str, package: str, home: Home, program: str, dialects: tuple[str, ...]) -> tuple[Client, ...]:
    start: Any = _javascript if home == "more" else _python
    return tuple(Client(name, each, package, home, start(program, each), _calls) for each in dialects)


def _by_dialect(clients: tuple[Client, ...]) -> dict[str, Client]:
    return {client.dialect: client for client in clients}


LITELLM = _by_dialect(_clients("LiteLLM", "litellm", "litellm", "litellm_client", (_CHAT, _MESSAGES, _GEMINI)))
PYDANTIC_AI = _by_dialect(_clients("Pydantic AI", "pydantic-ai-slim", "pydantic-ai", "pydantic_ai_agent", _ALL))
INSTRUCTOR = _by_dialect(_clients("Instructor", "instructor", "instructor", "instructor_client", (_CHAT, _MESSAGES)))

FRAMEWORKS = (
    *_clients("LangChain", "langchain", "langchain", "langchain_agent", _ALL),
    *_clients("CrewAI", "crewai", "crewai", "crewai_agent", (_CHAT, _MESSAGES)),
    *_clients("AutoGen", "autogen-agentchat", "autogen", "autogen_agent", (_CHAT, _MESSAGES)),
    *_clients("OpenAI Agents", "openai-agents", "openai-agents", "openai_agents", (_RESPONSES, _CHAT)),
    *LITELLM.values(),
    *PYDANTIC_AI.values(),
    *INSTRUCTOR.values(),
    *_clients("Vercel AI SDK", "ai", "more", "ai_sdk", _ALL),
)

SDKS = (
    *_clients("openai (Python)", "openai", "sdks", "sdk_openai", (_CHAT, _RESPONSES)),
    *_clients("anthropic (Python)", "anthropic", "sdks", "sdk_anthropic", (_MESSAGES,)),
    *_clients("google-genai (Python)", "google-genai", "sdks", "sdk_genai", (_GEMINI,)),
    *_clients("openai (JS)", "openai", "more", "sdk_openai", (_CHAT, _RESPONSES)),
    *_clients("anthropic (JS)", "@anthropic-ai/sdk", "more", "sdk_anthropic", (_MESSAGES,)),
    *_clients("google-genai (JS)", "@google/genai", "more", "sdk_genai", (_GEMINI,)),
)
