"""The simulator's script: its answers and faults, read from TOML or JSON into checked, frozen types.

    seed = 7
    [answer]
    text = "hello"
    [[rules]]
    match = { model = "gpt-*", nth = [1] }
    fault = { kind = "status", status = 429, retry_after = 2 }

The first matching rule applies; `answer` is used if no rule matches or the rule has no answer. The same script, seed
and order of requests give the same behaviour.
"""

import difflib
import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec

from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.simulator.faults import AnyFault, Count, Positive

# Not tuple[Count, Count]: beside a bounded int in a union, msgspec 0.22 crashes on it.
Amount = Count | Annotated[tuple[Count, ...], msgspec.Meta(min_length=2, max_length=2)]
"""A number, or two numbers between which the seed draws one, both included."""

FinishName = Literal["stop", "length", "tool_calls", "stop_sequence", "refusal", "pause"]


class CannedUsage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The reported usage, in disjoint kinds; unset kinds are counted from the answer."""

    input: Amount | None = None
    cache_read: Amount = 0
    cache_write_5m: Amount = 0
    cache_write_1h: Amount = 0
    output: Amount | None = None
    reasoning: Amount | None = None


class CannedToolCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tool call, made in the given turn of calls if the request offers a tool of this name (ignoring case); with
    `always`, even if it does not.
    """

    name: str
    arguments: dict[str, Any] = {}
    turn: Positive = 1
    always: bool = False


class CannedAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A canned answer. Without `text`, `tokens` words of filler; in `after_tools`, `{result}` is the beginning of the
    last tool result. `chunk_chars` or `chunks` split the text; the delays are in milliseconds.
    """

    text: str | None = None
    tokens: Amount = 16
    reasoning: str = ""
    refusal: str = ""
    calls: tuple[CannedToolCall, ...] = ()
    after_tools: str = "The tool ran. It said: {result}"
    usage: CannedUsage = CannedUsage()
    finish: FinishName | None = None  # None: derived from the answer
    stop_sequence: str | None = None
    chunk_chars: Positive = 16
    chunks: Positive | None = None
    first_ms: Count = 0  # before the answer
    delay_ms: Count = 0  # between the events of a stream
    id: str | None = None  # None: derived from seed and number
    fixed: bool = False  # built once and repeated byte for byte, including ids; for benchmarks


class RuleMatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The conditions of a rule, all of which must hold. Patterns may have `*` and `?`.

    `nth`, `first` and `every` count the requests that match the other conditions, from 1.
    """

    model: str | None = None
    wire: Literal["openai_chat", "anthropic_messages", "bedrock_converse", "gemini"] | None = None
    stream: bool | None = None
    path: str | None = None
    credential: str | None = None
    header: dict[str, str] = {}
    contains: str | None = None  # anywhere in the body
    nth: tuple[Positive, ...] = ()
    first: Positive | None = None
    every: Positive | None = None
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None


class ScriptRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A condition, and the answer or fault for it."""

    match: RuleMatch = RuleMatch()
    answer: CannedAnswer | None = None
    fault: AnyFault | None = None


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole script. Without `credentials`, any or none is accepted; `keep_bodies` is only for tests."""

    seed: int = 0
    models: tuple[str, ...] = ("simulated-model",)
    credentials: tuple[str, ...] = ()
    keep_bodies: bool = False
    keep_records: Count = 10_000
    answer: CannedAnswer = CannedAnswer()
    rules: tuple[ScriptRule, ...] = ()


_SECTIONS: dict[str, tuple[type[msgspec.Struct], ...]] = {
    "": (Script,),
    "rules": (ScriptRule,),
    "match": (RuleMatch,),
    "answer": (CannedAnswer,),
    "usage": (CannedUsage,),
    "calls": (CannedToolCall,),
    "fault": get_args(AnyFault),
}
_UNKNOWN = re.compile(r"Object contains unknown field `(.*?)`(?: - at `([^`]*)`)?", re.DOTALL)
_LAST_NAME = re.compile(r"\.(\w+)(?:\[[^\]]*\])?$")


def read_script(data: bytes | str, *, form: Literal["toml", "json"], where: str) -> Script:
    """Read and check; `where` names the source in the message. Raises Misconfigured."""
    decode = msgspec.toml.decode if form == "toml" else msgspec.json.decode
    try:
        return decode(data, type=Script)
    except RecursionError:
        raise Misconfigured(f"{where}: nested too deeply") from None
    except ValueError as error:  # of msgspec, UTF-8, and numbers with too many digits
        raise Misconfigured(f"{where}: {_explain(str(error))}") from None


def load_script(path: Path) -> Script:
    """Read a file: JSON by its extension, else TOML. Raises Misconfigured."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror}") from None
    return read_script(data, form="json" if path.suffix == ".json" else "toml", where=str(path))


def _explain(message: str) -> str:
    """Return msgspec's message in one line, with the nearest known name for an unknown field."""
    match = _UNKNOWN.fullmatch(message)
    if match is None:
        return message.replace("\n", " ").replace("$.", "")
    field, place = match.group(1), (match.group(2) or "$")
    last = _LAST_NAME.search(place)
    sections = _SECTIONS.get(last.group(1) if last else "", (Script,))
    names = sorted({name for section in sections for name in section.__struct_fields__})
    nearest = difflib.get_close_matches(field, names, n=1, cutoff=0)
    at = place.removeprefix("$").removeprefix(".")
    return f"unknown field {field!r}{f' at {at}' if at else ''}; did you mean {nearest[0]!r}?"
