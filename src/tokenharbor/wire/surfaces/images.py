"""Image generation: text in, images out, billed by the image or by the vendor's tokens."""

import msgspec

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.count.most_tokens import text_size
from tokenharbor.wire.framing.fields import Check, only, read_count, refuse_if_set
from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.neutral.dialect import AnswerFacts
from tokenharbor.wire.neutral.failure import GARBAGE_ANSWER, Failure
from tokenharbor.wire.neutral.request import Edit, MediaDemand, Request
from tokenharbor.wire.neutral.usage import BadUsageError, check_range
from tokenharbor.wire.surfaces.surface import (
    LISTED,
    decode_answer,
    read_body,
    read_text,
    read_word,
    with_demand,
    write_body,
)

MOST_IMAGES = 128
_PARTIAL = "asks for partial images, whose cost is not reported, so it is not supported: remove it."
DRAWN = "has a value that runs a second model at a separate price, which is not supported: use another format."


OTHER_WORDS = frozenset(
    {"batch_size", "num_images", "num_images_per_prompt", "num_outputs", "samples", "max_images", "parameters"}
    | {"image_size", "resolution", "width", "height", "sequential_image_generation_options", "extra_body"}
)
"""Other vendors' fields for the number and size of images; OpenAI's API has `n` and `size`."""

IN_OTHER_WORDS = "can change the price and is not supported: use `n` and `size`."


def _not_drawn(raw: msgspec.Raw) -> str | None:
    return DRAWN if bytes(raw) == b'"svg"' else None


_CHECKS: dict[str, Check] = {
    "stream": refuse_if_set(_PARTIAL),
    "partial_images": refuse_if_set(_PARTIAL),
    "output_format": _not_drawn,
    "sequential_image_generation": only("disabled"),
    **dict.fromkeys(OTHER_WORDS, refuse_if_set(IN_OTHER_WORDS)),
}
_KNOWN = (
    "prompt",
    "n",
    "size",
    "quality",
    "style",
    "background",
    "moderation",
    "output_compression",
    "response_format",
)


class _Details(msgspec.Struct, frozen=True):
    image_tokens: int = 0


class _Counts(msgspec.Struct, frozen=True):
    input_tokens: int
    output_tokens: int
    total_tokens: int | None = None
    input_tokens_details: _Details | None = None


_counts = msgspec.json.Decoder(_Counts | None).decode


class ImageGenerations:
    """The surface `images`."""

    name = "images"
    path = "/images/generations"
    answers_audio = False

    def read_request(self, body: bytes) -> Request:
        request = read_body(body, _CHECKS, _KNOWN)
        members = request.members
        prompt = read_text(members, "prompt")
        demand = MediaDemand(
            self.name,
            items=1,
            images=read_count(members, "n", 1, MOST_IMAGES) or 1,
            size=read_word(members, "size"),
            quality=read_word(members, "quality"),
        )
        return with_demand(request, demand, text_size(prompt.encode()))

    def write_request(self, request: Request, edit: Edit) -> bytes:
        return write_body(request, edit)

    def read_answer(self, request: Request, body: bytes) -> AnswerFacts | Failure:
        return read_images(request, body)


def read_images(request: Request, body: bytes) -> AnswerFacts | Failure:
    """Read the facts of an answer. Images beyond the requested number are not billed, and then the reported usage is
    not trusted.
    """
    whole = decode_answer(LISTED, body)
    if isinstance(whole, Failure):
        return whole
    if not whole.data or request.demand is None:
        return GARBAGE_ANSWER
    made = Usage(images_out=min(len(whole.data), request.demand.images))
    if len(whole.data) > request.demand.images:
        return AnswerFacts(None, quarantined=True, counted=made)
    try:
        return AnswerFacts(_usage(whole.usage, made), counted=made)
    except BadUsageError:
        return AnswerFacts(None, quarantined=True, counted=made)


def _usage(raw: msgspec.Raw, made: Usage) -> Usage | None:
    """Read the usage; `input_tokens` includes image tokens."""
    try:
        counts = _counts(raw)
    except UNREADABLE:
        raise BadUsageError("a count is not an integer") from None
    if counts is None:
        return None
    seen = counts.input_tokens_details.image_tokens if counts.input_tokens_details is not None else 0
    check_range(counts.input_tokens, counts.output_tokens, seen)
    if seen > counts.input_tokens or counts.total_tokens not in (None, counts.input_tokens + counts.output_tokens):
        raise BadUsageError("the counts do not add up to the total")
    return msgspec.structs.replace(made, input=counts.input_tokens - seen, image_in=seen, output=counts.output_tokens)
