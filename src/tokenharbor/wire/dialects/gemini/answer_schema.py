"""The shapes of Gemini's answers, whole and in events alike: only what is looked at, the rest passes unread."""

import msgspec

from tokenharbor.wire.framing.json_values import NULL, text_size
from tokenharbor.wire.neutral import unseen


class FunctionCall(msgspec.Struct, frozen=True, gc=False):
    """A call, always whole."""

    id: str | None = None
    name: str | None = None
    args: msgspec.Raw = NULL


class Blob(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Inlined media, as base64."""

    mime_type: str | None = None
    data: str | None = None


class GeminiPart(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A piece of an answer; one of its members says what it is."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    inline_data: Blob | None = None
    executable_code: msgspec.Raw = NULL


class GeminiContent(msgspec.Struct, frozen=True, gc=False):
    """What a candidate says."""

    parts: list[GeminiPart] | None = None


class GroundingPage(msgspec.Struct, frozen=True, gc=False):
    """A page that was found."""

    uri: str | None = None
    title: str | None = None


class GroundingChunk(msgspec.Struct, frozen=True, gc=False):
    """A source."""

    web: GroundingPage | None = None


class GroundedSegment(msgspec.Struct, frozen=True, gc=False):
    """Words of the answer."""

    text: str | None = None


class GroundingSupport(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Which sources some words rest on."""

    segment: GroundedSegment | None = None
    grounding_chunk_indices: list[int] | None = None


class GroundingMetadata(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Where an answer's facts come from."""

    grounding_chunks: list[GroundingChunk] | None = None
    grounding_supports: list[GroundingSupport] | None = None


class GeminiCandidate(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One answer, or what was added to it."""

    index: int = 0
    content: GeminiContent | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    grounding_metadata: GroundingMetadata | None = None


class PromptFeedback(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What the vendor thinks of the prompt."""

    block_reason: str | None = None


class GeminiChunk(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """An event of a stream, or a whole answer."""

    candidates: list[GeminiCandidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: msgspec.Raw = NULL
    response_id: str | None = None
    model_version: str | None = None
    error: msgspec.Raw = NULL


class _RawContent(msgspec.Struct, frozen=True, gc=False):
    parts: list[msgspec.Raw] | None = None


class _RawCandidate(msgspec.Struct, frozen=True, gc=False):
    index: int = 0
    content: _RawContent | None = None


class _RawChunk(msgspec.Struct, frozen=True, gc=False):
    candidates: list[_RawCandidate] | None = None


decode_chunk = msgspec.json.Decoder(GeminiChunk).decode
_decode_raw = msgspec.json.Decoder(_RawChunk).decode


def raw_parts(data: bytes, index: int) -> list[msgspec.Raw]:
    """The parts of one candidate, unread."""
    for candidate in _decode_raw(data).candidates or ():
        if candidate.index == index and candidate.content is not None:
            return candidate.content.parts or []
    return []


def is_blocked(chunk: GeminiChunk) -> bool:
    """Whether the prompt was refused: a valid answer without any candidate."""
    return not chunk.candidates and chunk.prompt_feedback is not None and bool(chunk.prompt_feedback.block_reason)


def part_size(part: GeminiPart) -> int:
    """How many bytes of text, reasoning and arguments were generated."""
    arguments = len(part.function_call.args) if part.function_call and len(part.function_call.args) > 4 else 0
    size = text_size(part.text or "") + arguments
    if part.thought_signature:
        size += unseen.sealed(len(part.thought_signature))
    if part.inline_data is not None:
        size += _blob_size(part.inline_data)
    if len(part.executable_code) > 4:
        size += len(part.executable_code)
    return size


def _blob_size(blob: Blob) -> int:
    if (blob.mime_type or "").startswith("audio/"):
        return unseen.sound(len(blob.data or ""))
    return unseen.IMAGE


def candidate_size(candidate: GeminiCandidate) -> int:
    return sum(map(part_size, candidate.content.parts or ())) if candidate.content else 0
