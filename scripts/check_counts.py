"""Compare our token estimates with the vendors' counts in recorded traffic, and print the differences.

python scripts/check_counts.py FOLDER...             folders of VCR cassettes (YAML), such as pydantic-ai's tests
python scripts/check_counts.py FOLDER... --misses    also list each case outside the promised range
python scripts/check_counts.py FOLDER... --since D   only recordings since this day: vendors change their additions
Requires PyYAML, which nothing else here does: .venv/bin/python -m pip install pyyaml
"""

import argparse
import gzip
import importlib
import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire import DIALECTS
from tokenharbor.wire.count import estimate_tokens
from tokenharbor.wire.neutral.chat import Audio, Chat, File, Image, Part, Reasoning, ToolCall, ToolResult
from tokenharbor.wire.neutral.dialect import ModelInPath

# The vendors' own hosts only: resellers add prompts, and Vertex AI counts neither tools nor signatures.
PATHS = (
    (r"api\.anthropic\.com/v1/messages(/count_tokens)?$", "anthropic_messages"),
    (r"api\.openai\.com/v1/chat/completions$", "openai_chat"),
    (r"api\.(openai|deepseek)\.com/(v1/)?responses(/input_tokens)?$", "openai_responses"),
    (r"api\.(deepseek\.com|z\.ai)/.*chat/completions$", "openai_chat"),
    (r"generativelanguage\.googleapis\.com/.*:(stream)?([gG]enerateContent|countTokens)$", "gemini"),
)
# By prefix of the recorded model's name; most are older than the catalogue. Other models belong to no family sold here.
FAMILIES = (
    (r"claude-sonnet-5", "claude-sonnet-5"),
    (r"claude-(opus-4-8|(opus|haiku|fable)-5)", "claude"),
    (r"claude-(opus|sonnet|haiku)-4-[56]", "claude-4"),
    (r"gpt-4o-mini(-20|$)", "o200k-mini"),
    (r"gpt-4(o|\.1)(-20|$)", "o200k-tiles"),
    (r"gpt-[56]", "o200k"),
    (r"gemini-2\.5", "gemini-2"),
    (r"gemini-(3|flash)", "gemini"),
    (r"deepseek-v4", "deepseek"),
    (r"deepseek", "deepseek-3"),
    (r"glm-4", "glm-4"),
    (r"glm", "glm"),
)
# Content added or stored by the vendor, which cannot be estimated from the body; likewise the size of content behind a
# URL, and the prompt of a vendor's search among deferred tools. Such requests are left out.
UNKNOWABLE = ("previous_response_id", "conversation", "container", "mcp_servers", "cachedContent", "context_management")
DEFERRED = ('"defer_loading": true', '"additional_tools"')
SINCE = "2025-11-01"
NEAR = 3  # tokens; a large share of a tiny request


@dataclass(frozen=True)
class Case:
    """A recorded request with the vendor's count and our estimate."""

    source: str
    model: str
    family: str
    kind: str
    vendor: int
    ours: int

    @property
    def off(self) -> float:
        return self.ours / self.vendor - 1

    @property
    def within(self) -> bool:
        return -0.03 <= self.off <= 0.2


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--misses", action="store_true")
    parser.add_argument("--since", default=SINCE)
    options = parser.parse_args()
    cases, left_out = read_all(options.folders, options.since)
    print("| family | contents | requests | within -3% … +20% | under | over | or within 3 tokens | middle 80% |")
    print("|---|---|---|---|---|---|---|---|")
    groups: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for case in cases:
        for kind in ("all", case.kind):
            groups[case.family, kind].append(case)
    for (family, kind), group in sorted(groups.items()):
        print(summary(family, kind, group))
    if options.misses:
        print_misses(cases)
    print(f"{len(cases)} cases. Left out: {dict(left_out.most_common())}", file=sys.stderr)
    return 0


def print_misses(cases: list[Case]) -> None:
    print("\n| recording | model | family | what | vendor | ours | off |\n|---|---|---|---|---|---|---|")
    for case in sorted(cases, key=lambda case: (case.family, case.kind, case.off)):
        if not case.within and abs(case.ours - case.vendor) > NEAR:
            words = (case.source, case.model, case.family, case.kind, case.vendor, case.ours, f"{case.off:+.0%}")
            print(f"| {' | '.join(map(str, words))} |")


def summary(family: str, kind: str, group: list[Case]) -> str:
    off = sorted(case.off for case in group)
    within, under = sum(case.within for case in group), sum(each < -0.03 for each in off)
    near = sum(case.within or abs(case.ours - case.vendor) <= NEAR for case in group)
    tenth = len(off) // 10
    return (
        f"| {family} | {kind} | {len(off)} | {within / len(off):.0%} | {under} | {len(off) - within - under}"
        f" | {near / len(off):.0%} | {off[tenth]:+.0%} … {off[-1 - tenth]:+.0%} |"
    )


def read_all(folders: Sequence[Path], since: str) -> tuple[list[Case], Counter[str]]:
    """Return the distinct cases (repeated recordings with the same result count once), and how many were left out, by
    cause.
    """
    cases: dict[tuple[object, ...], Case] = {}
    left_out: Counter[str] = Counter()
    for folder in folders:
        committed = commits(folder)
        for path in sorted(folder.rglob("*.y*ml")):
            for index, recording in enumerate(recordings(path)):
                family = next((name for pattern, name in FAMILIES if re.match(pattern, recording.model)), None)
                if family is None:
                    continue
                if (recording.day or committed.get(path, since)) < since:
                    left_out["older"] += 1
                    continue
                try:
                    chat = read(recording.dialect, recording.model, recording.body)
                except InvalidRequest as refused:
                    left_out[str(refused) if isinstance(refused, LeftOut) else "not read across dialects"] += 1
                    continue
                ours = estimate_tokens(chat, family, recording.dialect)
                case = Case(f"{path.stem}#{index}", recording.model, family, kind_of(chat), recording.vendor, ours)
                cases.setdefault((case.model, recording.dialect, case.kind, case.vendor, case.ours), case)
    return list(cases.values()), left_out


def commits(folder: Path) -> dict[Path, str]:
    """Return the day of the last commit to each file, if git knows it."""
    command = ["git", "-C", str(folder), "log", "--format=%x00%as", "--name-only", "--relative", "--", "."]
    found: dict[Path, str] = {}
    day = ""
    log = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  no word of it is read
    for line in log.stdout.splitlines():
        if line.startswith("\0"):
            day = line[1:]
        elif line:
            found.setdefault(folder / line, day)
    return found


class LeftOut(InvalidRequest):
    """Raise LeftOut for a request whose count cannot be estimated from its body."""


def read(dialect: str, model: str, body: Mapping[str, Any]) -> Chat:
    wire = DIALECTS[dialect]
    if any(body.get(name) for name in UNKNOWABLE):
        raise LeftOut("the vendor stores content that is not in the body")
    if any(name in json.dumps(body) for name in DEFERRED):
        raise LeftOut("deferred tools")
    needed = {"max_tokens": 1} if dialect == "anthropic_messages" and "max_tokens" not in body else {}
    request = wire.read_request(json.dumps({**body, **needed}).encode(), ModelInPath(model, stream=False))
    chat = wire.read_chat(request)
    elsewhere = (part.source for part in parts_of(chat) if isinstance(part, Image | File | Audio))
    if fetches(body) or any(source is not None and not source.data for source in elsewhere):
        raise LeftOut("the vendor fetches content that is not in the body")
    return chat


def fetches(body: Mapping[str, Any]) -> bool:
    """Return whether the vendor runs a built-in tool, whose results it counts."""
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


@dataclass(frozen=True)
class Recording:
    """A request and its vendor's count. `day` is "" if the recording does not state it."""

    model: str
    dialect: str
    body: Mapping[str, Any]
    vendor: int
    day: str


def recordings(path: Path) -> Iterator[Recording]:
    """Yield each request that has a count."""
    yaml = importlib.import_module("yaml")
    try:
        content = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:  # contains Python objects, or is not YAML
        return
    held = content.get("interactions", content.get("http_interactions")) if isinstance(content, dict) else None
    for each in (each for each in held or () if isinstance(each, dict)):
        request, response = each.get("request") or {}, each.get("response") or {}
        url = str(request.get("uri")).partition("?")[0]
        dialect = next((name for pattern, name in PATHS if re.search(pattern, url)), "")
        body = json_of(request) if dialect in DIALECTS else None
        if not isinstance(body, dict) or (response.get("status") or {}).get("code") != 200:
            continue
        found = answers(response)
        count = next(filter(None, map(count_of, reversed(found))), None)
        if count:
            named = re.search(r"models/([^:]+):", url)
            model = named.group(1) if named else str(body.get("model"))
            yield Recording(model, dialect, body, count, day_of(response, found))


def day_of(response: Mapping[str, Any], found: list[Mapping[str, Any]]) -> str:
    headers = {name.lower(): value for name, value in (response.get("headers") or {}).items()}
    said = headers.get("date")
    said = said[0] if isinstance(said, list) and said else said
    try:
        return parsedate_to_datetime(str(said)).date().isoformat()
    except ValueError:
        pass
    seconds = next((each[name] for each in found for name in ("created", "created_at") if each.get(name)), None)
    return datetime.fromtimestamp(seconds, UTC).date().isoformat() if isinstance(seconds, int | float) else ""


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
    """Yield the body, or each event of a stream."""
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
