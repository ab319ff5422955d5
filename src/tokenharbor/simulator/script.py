"""The simulator's script: what it answers and how it fails, read from TOML or JSON into checked, frozen types.

    seed = 7
    [answer]
    text = "hello"
    [[rules]]
    match = { model = "gpt-*", nth = [1] }
    fault = { kind = "status", status = 429, retry_after = 2 }

The first rule that matches decides; where none does, or it gives no answer of its own, `answer` stands. The same
script, seed and order of requests give the same behaviour.
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
"""A number, or two between which the seed draws one, both ends included."""

FinishName = Literal["stop", "length", "tool_calls", "stop_sequence", "refusal", "pause"]


class CannedUsage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The usage that is reported, in disjoint kinds; what is not given is counted from the answer."""

    input: Amount | None = None
    cache_read: Amount = 0
    cache_write_5m: Amount = 0
    cache_write_1h: Amount = 0
    output: Amount | None = None
    reasoning: Amount | None = None


class CannedToolCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tool call that is made if the request offers a tool of this name (case aside), in the given turn of
    the tools; `always` makes it whatever is offered.
    """

    name: str
    arguments: dict[str, Any] = {}
    turn: Positive = 1
    always: bool = False


class CannedAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A canned answer. Without `text`, `tokens` words of filler; `{result}` in `after_tools` is the last tool
    result's beginning. `chunk_chars` or `chunks` say how the text is cut; the delays are in milliseconds.
    """

    text: str | None = None
    tokens: Amount = 16
    reasoning: str = ""
    refusal: str = ""
    calls: tuple[CannedToolCall, ...] = ()
    after_tools: str = "The tool ran. It said: {result}"
    usage: CannedUsage = CannedUsage()
    finish: FinishName | None = None  # None: what follows from the answer
    stop_sequence: str | None = None
    chunk_chars: Positive = 16
    chunks: Positive | None = None
    first_ms: Count = 0  # before the answer
    delay_ms: Count = 0  # between the events of a stream
    id: str | None = None  # None: made from seed and number
    fixed: bool = False  # built once and repeated byte for byte, ids included; for benches


class RuleMatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a request must be for a rule: all that is given must hold. Patterns may have `*` and `?`.
    `nth`, `first` and `every` number the requests that match everything else, from 1.
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
    """When, and what then."""

    match: RuleMatch = RuleMatch()
    answer: CannedAnswer | None = None
    fault: AnyFault | None = None


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it. `credentials` empty: any is taken, none too; `keep_bodies` is for tests alone."""

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
    except ValueError as error:  # msgspec's, UTF-8's, and a number of too many digits
        raise Misconfigured(f"{where}: {_explain(str(error))}") from None


def load_script(path: Path) -> Script:
    """Read the file: JSON by its ending, else TOML. Raises Misconfigured."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror}") from None
    return read_script(data, form="json" if path.suffix == ".json" else "toml", where=str(path))


def _explain(message: str) -> str:
    """What msgspec said, in one line; for an unknown field with the nearest that is known."""
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
