"""Rows of the cleaned development data as neutral conversations, with their repositories and labels."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenharbor.wire.neutral.chat import Chat, Message, Role, Text, Tool, ToolResult


@dataclass(frozen=True, slots=True)
class LabelledChat:
    """One row. A `repository` is held out as a whole; rows made from one prompt share a `template`."""

    chat: Chat
    label: str
    repository: str
    template: str
    id: str


def read_rows(path: Path) -> list[LabelledChat]:
    return [_row(json.loads(line)) for line in path.read_text("utf-8").splitlines()]


def _row(row: dict[str, Any]) -> LabelledChat:
    messages = [] if not row["system"] else [Message(Role.SYSTEM, (Text(row["system"]),))]
    messages += [_message(each) for each in row["messages"]]
    tools = tuple(Tool(name) for name in row.get("tools", ()))
    template = (row["system"] or row["messages"][-1]["content"])[:300]
    repository = row["source"].split(":", 1)[0]
    return LabelledChat(Chat(tuple(messages), tools=tools), row["label"], repository, template, row["id"])


def _message(each: dict[str, Any]) -> Message:
    if each["role"] == "tool":
        return Message(Role.USER, (ToolResult("call", (Text(each["content"]),)),))
    return Message(Role(each["role"]), (Text(each["content"]),))
