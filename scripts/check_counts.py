"""Compares our token estimates with the counts that vendors gave: reads recorded traffic, prints how far off we are.

python scripts/check_counts.py CASSETTES             a folder of VCR cassettes (YAML), such as pydantic-ai's tests
python scripts/check_counts.py CASSETTES --rows      also each case
Needs PyYAML, which nothing else here does: .venv/bin/python -m pip install pyyaml
"""

import argparse
import gzip
import importlib
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire import WIRES
from tokenharbor.wire.chat import Audio, Chat, File, Image, Part, Reasoning, ToolCall, ToolResult
from tokenharbor.wire.count import estimate_tokens
from tokenharbor.wire.dialect import Place

# The vendors' own addresses: resellers add prompts of their own.
PATHS = (
    (r"api\.anthropic\.com/v1/messages(/count_tokens)?$", "anthropic_messages"),
    (r"api\.openai\.com/v1/chat/completions$", "openai_chat"),
    (r"api\.(openai|deepseek)\.com/(v1/)?responses(/input_tokens)?$", "openai_responses"),
    (r"api\.(deepseek\.com|z\.ai)/.*chat/completions$", "openai_chat"),
    (r"generativelanguage\.googleapis\.com/.*:(stream)?([gG]enerateContent|countTokens)$", "gemini"),
)
# By the beginning of the recorded model's name; most are older than the catalogue.
FAMILIES = (
    (r"claude-(opus-4-[78]|(opus|sonnet|haiku|fable)-5)", "claude"),
    (r"claude", "claude-4"),
    (r"gpt-(4o|4\.1)|o\d", "o200k-tiles"),
    (r"gpt-[56]", "o200k"),
    (r"gemini-[12]", "gemini-2"),
    (r"gemini", "gemini"),
    (r"deepseek", "deepseek"),
    (r"glm-4", "glm-4"),
    (r"glm", "glm"),
)
# What the vendor adds by itself or keeps at its side: no estimate of the body can know it.
# Nor the size of what stands at an address. Both are left out.
UNKNOWABLE = ("previous_response_id", "conversation", "container", "mcp_servers", "cachedContent", "context_management")


@dataclass(frozen=True)
class Case:
    """One recorded request: what the vendor counted, and what we estimate."""

    source: str
    model: str
    family: str
    kind: str
    vendor: int
    ours: int

    @property
    def off(self) -> float:
        return self.ours / self.vendor - 1


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("cassettes", type=Path)
    parser.add_argument("--rows", action="store_true")
    options = parser.parse_args()
    cases, skipped = read_all(options.cassettes)
    print("| family | what the request holds | cases | within -3% … +20% | under | over | median | middle 80% |")
    print("|---|---|---|---|---|---|---|---|")
    groups: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for case in cases:
        groups[case.family, case.kind].append(case)
        groups[case.family, "all"].append(case)
    for (family, kind), group in sorted(groups.items()):
        print(summary(family, kind, sorted(case.off for case in group)))
    if options.rows:
        print("\n| recording | model | family | what | vendor | ours | off |\n|---|---|---|---|---|---|---|")
        for case in sorted(cases, key=lambda case: (case.family, case.kind, case.off)):
            print(
                f"| {case.source} | {case.model} | {case.family} | {case.kind} | {case.vendor} | {case.ours}"
                f" | {case.off:+.0%} |"
            )
    print(f"{len(cases)} cases; {skipped} recordings hold what cannot be read across dialects", file=sys.stderr)
    return 0


def summary(family: str, kind: str, off: list[float]) -> str:
    under, over = sum(each < -0.03 for each in off), sum(each > 0.2 for each in off)
    within = (len(off) - under - over) / len(off)
    tenth = len(off) // 10
    return (
        f"| {family} | {kind} | {len(off)} | {within:.0%} | {under} | {over} | {off[len(off) // 2]:+.0%}"
        f" | {off[tenth]:+.0%} … {off[-1 - tenth]:+.0%} |"
    )


def read_all(folder: Path) -> tuple[list[Case], int]:
    """Every case once: what was recorded many times with the same result says no more than once."""
    cases: dict[tuple[object, ...], Case] = {}
    skipped = 0
    for path in sorted(folder.rglob("*.y*ml")):
        for index, (model, dialect, body, vendor) in enumerate(recordings(path)):
            family = next((name for pattern, name in FAMILIES if re.match(pattern, model)), None)
            if family is None:
                continue
            try:
                chat = read(dialect, model, body)
            except InvalidRequest:
                skipped += 1
                continue
            case = Case(f"{path.stem}#{index}", model, family, kind_of(chat), vendor, estimate_tokens(chat, family))
            cases.setdefault((model, dialect, case.kind, case.vendor, case.ours), case)
    return list(cases.values()), skipped


def read(dialect: str, model: str, body: Mapping[str, Any]) -> Chat:
    wire = WIRES[dialect]
    if any(body.get(name) for name in UNKNOWABLE):
        raise InvalidRequest("The vendor knows more than the body says.")
    needed = {"max_tokens": 1} if dialect == "anthropic_messages" and "max_tokens" not in body else {}
    request = wire.read_request(json.dumps({**body, **needed}).encode(), Place(model, stream=False))
    chat = wire.read_chat(request)
    elsewhere = (part.source for part in parts_of(chat) if isinstance(part, Image | File | Audio))
    if fetches(body) or any(source is not None and not source.data for source in elsewhere):
        raise InvalidRequest("The vendor fetches more than the body says.")
    return chat


def fetches(body: Mapping[str, Any]) -> bool:
    """Whether the vendor runs a tool of its own, whose findings it counts."""
    kinds = {tool.get("type") or "custom" for tool in body.get("tools") or () if isinstance(tool, dict)}
    return "functionDeclarations" not in json.dumps(body.get("tools")) and not kinds <= {"function", "custom"}


def parts_of(chat: Chat) -> list[Part]:
    parts = [part for message in chat.messages for part in message.parts]
    return parts + [each for part in parts if isinstance(part, ToolResult) for each in part.parts]


def kind_of(chat: Chat) -> str:
    parts = parts_of(chat)
    held = {type(part) for part in parts}
    names = ((Image, "images"), (File, "files"), (Audio, "audio"), (Reasoning, "reasoning"), (ToolCall, "calls"))
    found = [name for kind, name in names if kind in held]
    found += ["tools"] * bool(chat.tools) + ["schema"] * bool(chat.format)
    return ", ".join(found) or "text"


# ---- the recordings


def recordings(path: Path) -> Iterator[tuple[str, str, Mapping[str, Any], int]]:
    """Model, dialect, body and the vendor's count of each request that has one."""
    yaml = importlib.import_module("yaml")
    content = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    for each in content.get("interactions", content.get("http_interactions")) or ():
        request, response = each.get("request") or {}, each.get("response") or {}
        body = json_of(request)
        if not isinstance(body, dict) or (response.get("status") or {}).get("code") != 200:
            continue
        url = request["uri"].partition("?")[0]
        dialect = next((name for pattern, name in PATHS if re.search(pattern, url)), "")
        if dialect not in WIRES:
            continue
        named = re.search(r"models/([^:]+):", url)
        count = next(filter(None, map(count_of, reversed(answers(response)))), None)
        if count:
            yield named.group(1) if named else str(body.get("model")), dialect, body, count


def json_of(message: Mapping[str, Any]) -> Any:
    if message.get("parsed_body") is not None:
        return message["parsed_body"]
    try:
        return json.loads(text_of(message))
    except ValueError:
        return None


def text_of(message: Mapping[str, Any]) -> str:
    body = message.get("body") or ""
    body = body.get("string") or "" if isinstance(body, dict) else body
    if isinstance(body, bytes):
        body = gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
        return body.decode("utf-8", "replace")
    return str(body)


def answers(response: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The body, or each event of a stream."""
    whole = json_of(response)
    if isinstance(whole, dict | list):
        return [each for each in (whole if isinstance(whole, list) else [whole]) if isinstance(each, dict)]
    found: list[Mapping[str, Any]] = []
    for line in text_of(response).splitlines():
        try:
            event = json.loads(line.removeprefix("data:")) if line.startswith("data:") else None
        except ValueError:
            continue
        found += [event] if isinstance(event, dict) else []
    return found


def count_of(answer: Mapping[str, Any]) -> int:
    if "totalTokens" in answer:
        return int(answer["totalTokens"])
    for holder in (answer, answer.get("message") or {}, answer.get("response") or {}):
        usage = holder.get("usage") or holder.get("usageMetadata") or (holder if "input_tokens" in holder else {})
        names = ("input_tokens", "prompt_tokens", "promptTokenCount")
        first = next((usage[name] for name in names if usage.get(name)), 0)
        if first:
            cached = (usage.get(name) or 0 for name in ("cache_read_input_tokens", "cache_creation_input_tokens"))
            return int(first) + sum(map(int, cached))
    return 0


if __name__ == "__main__":
    sys.exit(main())
