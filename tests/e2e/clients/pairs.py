"""The pairs of client and upstream dialect that `make test` tries; as a program, it installs the clients of them."""

import sys

from tests.e2e.clients.agents import CLAUDE_CODE, CODEX, GEMINI_CLI, OPENCODE
from tests.e2e.clients.frameworks import INSTRUCTOR, LITELLM, PYDANTIC_AI
from tests.e2e.clients.toolbox import ToolboxError
from tests.e2e.clients.trial import commands_of

_CHAT, _RESPONSES, _MESSAGES, _GEMINI = "openai_chat", "openai_responses", "anthropic_messages", "gemini"
PAIRS = (
    (CLAUDE_CODE, _MESSAGES),
    (CLAUDE_CODE, _CHAT),
    (CLAUDE_CODE, _GEMINI),
    (CODEX, _CHAT),
    (CODEX, _MESSAGES),
    (OPENCODE[_CHAT], _MESSAGES),
    (OPENCODE[_RESPONSES], _GEMINI),
    (OPENCODE[_MESSAGES], "bedrock_converse"),
    (GEMINI_CLI, _CHAT),
    (GEMINI_CLI, _RESPONSES),
    (LITELLM[_CHAT], _MESSAGES),
    (PYDANTIC_AI[_RESPONSES], _GEMINI),
    (INSTRUCTOR[_CHAT], _MESSAGES),
)


def main() -> int:
    try:
        for client, _ in PAIRS:
            commands_of(client)
    except ToolboxError as error:
        print(f"real clients: {error}", file=sys.stderr)
        return 1
    print("real clients: installed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
