"""A stream passed on in its own dialect, and the result."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from tests.wire.splits import tape

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire import DIALECTS
from tokenharbor.wire.framing.sse import SseFramer
from tokenharbor.wire.neutral.dialect import ModelInPath, Splicer
from tokenharbor.wire.neutral.failure import FailureKind

OPENAI, RESPONSES, ANTHROPIC = "openai_chat", "openai_responses", "anthropic_messages"


GEMINI = "gemini"


def splicer(
    dialect: str, *, hide_usage: bool = False, choices: int = 1, include_cost: bool = False, **more: Any
) -> Splicer:
    fields: dict[str, Any] = {"model": "m", "messages": [], "input": [], "max_tokens": 9, "stream": True}
    if dialect == GEMINI:
        fields = {"contents": []}
    fields |= more
    if choices > 1:
        fields["n"] = choices
    if include_cost:
        fields["usage"] = {"include": True}
    wire = DIALECTS[dialect]
    return wire.splice(
        wire.read_request(json.dumps(fields).encode(), ModelInPath("m", stream=True)), hide_usage=hide_usage
    )


def events(stream: bytes) -> list[bytes]:
    """The stream's events, each with its bytes."""
    framer = SseFramer(4 << 20)
    return [raw for _, _, raw in [*framer.feed(stream), *framer.close()]]


class SplicedStream(NamedTuple):
    """The result of a stream, however it was cut."""

    left: bytes
    ending: bytes
    started: bool
    complete: bool
    failure: FailureKind | None
    usage: Usage | None
    quarantined: bool
    text_bytes: int
    usage_so_far: Usage | None


def splice_stream(spliced: Splicer, pieces: Iterable[bytes]) -> SplicedStream:
    left = b"".join([*(spliced.feed(piece) for piece in pieces), spliced.close()])
    return SplicedStream(
        left,
        spliced.ending(),
        spliced.started,
        spliced.complete,
        spliced.failure.kind if spliced.failure else None,
        spliced.usage,
        spliced.quarantined,
        spliced.text_bytes,
        spliced.usage_so_far,
    )


def whole(dialect: str, name: str, **options: Any) -> SplicedStream:
    return splice_stream(splicer(dialect, **options), [tape(dialect, name)])
