"""Gather more prompts for training, from clones of public repositories (more.toml) and from requests.toml.

    python scripts/orchestra/gather.py CLONES cleaned.jsonl more.jsonl held_out.jsonl

CLONES has a git directory OWNER+NAME/repo for each repository. Each prompt becomes two rows, both with material from
the cleaned data (an issue, a diff, a conversation, a question): as the system prompt, and as part of the user's text.
"""

import argparse
import json
import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

_TERMINAL = """\
You are an interactive assistant for software engineering in a terminal. Keep answers short. Use the tools to search, to
read and edit files and to run commands. Plan complex tasks with the todo tool. Run the tests after a change. Never
commit unless the user asks. Review your work before you finish and summarise what you did in one sentence."""
_EDITOR = """\
You pair-program with the user in an editor. The open file and the selection are given. Answer questions, or change code
with the edit tool and check it with the linter."""
_AGENT = "You are a coding agent that works in the user's repository with tools. Be concise. Follow its conventions."
_AGENTS = (_AGENT, _TERMINAL, _EDITOR, "You are a helpful assistant.")
"""System prompts written for this in the style of coding agents; the request decides the stage, not they."""
_AGENT_TOOLS = ["bash", "edit", "read", "grep", "write"]
_QUOTED = re.compile(r'"""(.*?)"""|`([^`]{200,})`', re.DOTALL)  # a program's prompt is its longest string
_STAGES = ("plan", "code", "review", "summarise", "general")


def prompts_of(clones: Path, entry: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield path, stage and text of each prompt of an entry."""
    git = clones / entry["repository"].replace("/", "+") / "repo"
    for stage in _STAGES:
        for name in entry.get(stage, ()):
            paths = [pattern.format(name) for pattern in entry["under"]]
            texts = filter(None, (_show(git, path) for path in paths))
            if text := next(texts, ""):
                yield name, stage, text
            else:
                print(f"missing: {entry['repository']} {name}")


def _show(git: Path, path: str) -> str:
    command = ["git", "-C", str(git), "show", f"HEAD:{path}"]
    shown = subprocess.run(command, capture_output=True, check=False)  # noqa: S603  git, with a path of more.toml
    if shown.returncode != 0:
        return ""
    text = shown.stdout.decode("utf-8", "replace")
    quoted = _QUOTED.findall(text) if path.endswith((".py", ".go", ".toml")) else []
    return max(("".join(each) for each in quoted), key=len, default=_without_front_matter(text)).strip()


def _without_front_matter(text: str) -> str:
    return text.split("\n---", 1)[-1].strip() if text.startswith("---") else text.strip()


def materials(cleaned: Path) -> dict[str, list[str]]:
    """Return users' material by stage: the last message of rows whose system prompt states the task."""
    found: dict[str, list[str]] = {stage: [] for stage in _STAGES}
    for row in map(json.loads, cleaned.read_text("utf-8").splitlines()):
        brought = row["kind"] == "composed" and row["system"] and len(row["messages"]) == 1
        if brought or row["source"].startswith("yizhongw"):
            found[row["label"]].append(row["messages"][-1]["content"][:6000])
    return found


def rows_of(
    repository: str, prompts: Sequence[tuple[str, str, str]], brought: Mapping[str, Sequence[str]]
) -> Iterator[dict[str, Any]]:
    for number, (name, stage, text) in enumerate(prompts):
        for as_system in (True, False):
            material = brought[stage][(2 * number + as_system) * 17 % len(brought[stage])]
            user = material if as_system else f"{text}\n\n{material}"
            yield row(repository, f"{name}/{as_system}", stage, text if as_system else None, user)


def questions_of(clones: Path, entry: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield questions of benchmarks, unchanged."""
    git = clones / entry["repository"].replace("/", "+") / "repo"
    for path in entry.get("questions", ()):
        for line in _show(git, path).splitlines():
            question = json.loads(line)
            stage = "code" if question["category"] == "coding" else "general"
            yield row(entry["repository"], f"{path}#{question['question_id']}", stage, None, question["turns"][0])


def row(repository: str, name: str, stage: str, system: str | None, user: str, **more: Any) -> dict[str, Any]:
    source = {"id": name, "label": stage, "source": f"{repository}:{name}", "system": system}
    return source | {"messages": [{"role": "user", "content": user}]} | more


def own_requests(file: Path) -> Iterator[dict[str, Any]]:
    """Yield each request alone, and with a coding agent's system prompt."""
    for stage, requests in tomllib.loads(file.read_text("utf-8")).items():
        for number, request in enumerate(requests):
            yield row("own/requests", f"{stage}{number}", stage, None, request)
            agent = _AGENTS[number % len(_AGENTS)]
            yield row("own/requests", f"{stage}{number}/agent", stage, agent, request, tools=_AGENT_TOOLS)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Gather more prompts.")
    for name in ("clones", "cleaned", "more", "held_out"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    here = Path(__file__).parent
    brought = materials(arguments.cleaned)
    rows: dict[bool, list[dict[str, Any]]] = {False: list(own_requests(here / "requests.toml")), True: []}
    for entry in tomllib.loads((here / "more.toml").read_text("utf-8"))["repositories"]:
        prompts = list(prompts_of(arguments.clones, entry))
        chosen = rows[entry.get("held_out", False)]
        chosen += rows_of(entry["repository"], prompts, brought)
        chosen += questions_of(arguments.clones, entry)
    for held_out, file in ((False, arguments.more), (True, arguments.held_out)):
        file.write_text("".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in rows[held_out]), "utf-8")
        print(f"{file}: {len(rows[held_out])} rows")


if __name__ == "__main__":
    main()
