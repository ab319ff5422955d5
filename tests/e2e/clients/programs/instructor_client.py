"""Instructor: parallel tools in a loop, then one structured answer in each of its modes, whole and in parts."""

from collections.abc import Iterable
from typing import Any

import instructor
from anthropic import Anthropic
from instructor import Mode
from instructor.core import InstructorRetryException
from openai import OpenAI
from pydantic import BaseModel
from report import REPORT_PROMPT, Report, check
from tools import DIALECT, KEY, MODEL, MOST_TURNS, PROMPT, RETRIES, TOOLS, URL

_MODES = {
    "openai_chat": (Mode.TOOLS, Mode.JSON, Mode.MD_JSON, Mode.JSON_SCHEMA),
    "anthropic_messages": (Mode.TOOLS, Mode.JSON, Mode.JSON_SCHEMA),
}


class edit_file(BaseModel):  # noqa: N801  a tool is named after its class
    """Replace a text that occurs once in a file."""

    path: str
    old: str
    new: str


class run_command(BaseModel):  # noqa: N801  likewise
    """Run a shell command in the current folder."""

    command: str


def client(mode: Mode) -> Any:
    if DIALECT == "anthropic_messages":
        return instructor.from_anthropic(Anthropic(base_url=URL, api_key=KEY, max_retries=RETRIES), mode=mode)
    return instructor.from_openai(OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=RETRIES), mode=mode)


def settings() -> dict[str, Any]:
    if DIALECT == "anthropic_messages":
        return {"max_tokens": 8000, "thinking": {"type": "enabled", "budget_tokens": 2000}}
    return {"reasoning_effort": "low"}


def mend() -> str:
    answers: list[Any] = []
    asking = client(Mode.PARALLEL_TOOLS)
    asking.on("completion:response", answers.append)
    messages: list[Any] = [{"role": "user", "content": PROMPT}]
    for _ in range(MOST_TURNS):
        asked: Any = {"model": MODEL, "messages": messages, "max_retries": 0, **settings()}
        try:
            calls = list(asking.create(response_model=Iterable[edit_file | run_command], **asked))
        except InstructorRetryException:  # what it makes of an answer without calls
            calls = []
        if not calls:
            return said(answers[-1])
        results = [TOOLS[type(call).__name__](**call.model_dump()) for call in calls]
        messages += sent_back(answers[-1], results)
    return ""


def said(answer: Any) -> str:
    if DIALECT == "anthropic_messages":
        return "".join(block.text for block in answer.content if block.type == "text")
    return answer.choices[0].message.content or ""


def sent_back(answer: Any, results: list[str]) -> list[Any]:
    """The model's turn as the SDK holds it, and what the tools said."""
    if DIALECT == "anthropic_messages":
        ids = [block.id for block in answer.content if block.type == "tool_use"]
        told = [
            {"type": "tool_result", "tool_use_id": number, "content": result}
            for number, result in zip(ids, results, strict=True)
        ]
        blocks = [block.model_dump(exclude_none=True) for block in answer.content]
        return [{"role": "assistant", "content": blocks}, {"role": "user", "content": told}]
    message = answer.choices[0].message
    return [
        message.model_dump(),
        *(
            {"role": "tool", "tool_call_id": call.id, "name": call.function.name, "content": result}
            for call, result in zip(message.tool_calls, results, strict=True)
        ),
    ]


def report(mode: Mode) -> None:
    """The first call of the tool does not fit the schema: it asks again, with the model's turn and the reason."""
    asked: Any = {"model": MODEL, "messages": [{"role": "user", "content": REPORT_PROMPT}], "max_tokens": 4000}
    asked["response_model"] = Report
    check(client(mode).create(**asked, max_retries=2), mode.name)
    if mode is not Mode.TOOLS:
        *_, last = client(mode).create_partial(**asked)
        check(last, f"{mode.name} in parts")


if __name__ == "__main__":
    ended = mend()
    for each in _MODES[DIALECT]:
        report(each)
    print(ended)
