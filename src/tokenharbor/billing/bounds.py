"""Bounds of usage: the most, and the least, that a request can use, mainly on surfaces other than chat."""

import re

import msgspec

from tokenharbor.catalog.pricing import UsageBound
from tokenharbor.catalog.types import Model
from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.neutral.request import InputSize, MediaDemand, Request

_PIECE_TOKENS = 250  # per piece of a document, query included: longer documents are split, and each piece counts
_UNIT_PIECES = 100
_MOST_BYTES_PER_SECOND = 192_000  # of uncompressed sound: two channels of 16 bits at 48 kHz


def bound_of(request: Request, demand: MediaDemand, model: Model) -> UsageBound:
    """Return the bound of a media request, from its bytes, its counts and the model's limits."""
    answers = max(demand.images, 1)
    return UsageBound(
        input=_input(request, demand, model),
        output=answers * model.max_output,
        images=demand.upload_bytes > 0,
        audio=demand.upload_bytes > 0,
        pieces=Usage(
            images_out=demand.images,
            seconds=_seconds(demand, model),
            characters=demand.characters,
            search_units=_units(request, demand, model) if demand.surface == "rerank" else 0,
        ),
    )


def text_bound(size: InputSize, model: Model) -> int:
    """Return the most tokens that the text can have: by kind of character, unless the catalogue has a rule for the
    model.
    """
    if model.bytes_per_token is None:
        return size.text_tokens
    return size.text_bytes // model.bytes_per_token + 1


_CONTENT_BYTES_PER_TOKEN = 32  # bytes; common text has 4, indented code 8, the longest known token about 128
_CONTENT_SLACK_BYTES = 1 << 10
_ANSWER_BYTES_PER_TOKEN = 2 << 10  # an event with the probabilities of 20 other tokens
_ANSWER_SLACK_BYTES = 4 << 20
_REQUEST_COPIES = 4  # of the request, in answers of dialects that repeat it
_SOUND_BYTES_PER_CHARACTER = 64 << 10  # the slowest speech in the largest format


def most_content_bytes(request: Request, bound: UsageBound) -> int:
    """Return the most bytes of content accepted in an answer: far more than an answer within the bound has. A provider
    that sends more does not obey the maximum.
    """
    if request.demand is not None:
        return _SOUND_BYTES_PER_CHARACTER * request.demand.characters + _ANSWER_SLACK_BYTES
    return _CONTENT_BYTES_PER_TOKEN * bound.output + _CONTENT_SLACK_BYTES


def most_answer_bytes(request: Request, bound: UsageBound) -> int:
    """Return the most bytes accepted in an answer, all framing included."""
    if request.demand is not None:
        return _SOUND_BYTES_PER_CHARACTER * request.demand.characters + _ANSWER_SLACK_BYTES
    return _ANSWER_BYTES_PER_TOKEN * bound.output + _REQUEST_COPIES * len(request.body) + _ANSWER_SLACK_BYTES


_ADDED_TOKENS = 1_000


def most_input(request: Request, model: Model) -> int:
    """Return the most tokens that a provider can have read: the context for each input and each round of searches; for
    a model without a stated context, one token per byte, plus what a provider may add.
    """
    demand = request.demand
    if model.context:
        return model.context * (max(demand.items, 1) if demand is not None else 1 + request.web_search_uses)
    more = _ADDED_TOKENS if demand is None else _ADDED_TOKENS + demand.tokens + demand.items + demand.upload_bytes
    return request.size.text_bytes + request.size.images * model.image_tokens + more


_LEAST_IMAGE_TOKENS = 85
_LEAST_FILE_TOKENS = 258
_BYTES_PER_FILE_TOKEN = 40
_AUDIO_TOKENS_PER_SECOND = 10
_BYTES_PER_AUDIO_TOKEN = 3_200


def least_media(size: InputSize) -> int:
    """Return the least tokens that providers count for media, by their published formulas: 85 for a picture (OpenAI,
    low detail: developers.openai.com/api/docs/guides/images-vision); 258 for a page of a document (Gemini:
    ai.google.dev/gemini-api/docs/document-processing), 1,500 for one of 60 kB and more (Anthropic:
    platform.claude.com/docs/en/build-with-claude/pdf-support); 10 for a second of sound (OpenAI) of 32 kB.
    """
    inlined = size.media_bytes * 3 // 4  # out of base64
    tokens = size.images * _LEAST_IMAGE_TOKENS
    if size.files:
        tokens += max(size.files * _LEAST_FILE_TOKENS, 0 if size.audios else inlined // _BYTES_PER_FILE_TOKEN)
    if size.audios:
        tokens += size.audios + inlined // _BYTES_PER_AUDIO_TOKEN
    return tokens


def least_usage(request: Request, demand: MediaDemand, model: Model) -> Usage:
    """Return the usage billed if the provider reports none, or a wrong one: the least that it can have counted."""
    tokens = max(-(-request.size.text_bytes // 4) + demand.tokens, 0 if request.size.audios else demand.items)
    bound = bound_of(request, demand, model)
    input_tokens = min(tokens, bound.input)
    least = Usage(
        input=input_tokens,
        output=min(demand.images * image_tokens(demand), bound.output),
        image_in=min(request.size.images * _LEAST_IMAGE_TOKENS, bound.input - input_tokens),
        images_out=demand.images,
        characters=demand.characters,
        search_units=min(bound.pieces.search_units, -(-demand.items // _UNIT_PIECES)),
    )
    return _with_sound(least, demand.seconds or demand.upload_bytes // _MOST_BYTES_PER_SECOND, bound)


def recording_usage(
    request: Request, demand: MediaDemand, model: Model, *, seconds: int, transcript_bytes: int
) -> Usage:
    """Return `least_usage` for a recording that was received in full, with its known seconds and transcript.
    `demand.upload_bytes` is the size received, which is never above the size that was quoted.
    """
    least = least_usage(request, demand, model)
    usage = msgspec.structs.replace(least, output=min(-(-transcript_bytes // 4), model.max_output))
    return _with_sound(usage, max(least.seconds, seconds), bound_of(request, demand, model))


def _with_sound(usage: Usage, seconds: int, bound: UsageBound) -> Usage:
    """Return the usage with seconds of sound, at least one; for models billed by tokens, with 10 tokens per second."""
    heard_for = min(max(seconds, 1), bound.pieces.seconds)
    if not bound.audio or not heard_for:
        return msgspec.structs.replace(usage, seconds=heard_for)
    tokens = min(heard_for * _AUDIO_TOKENS_PER_SECOND, bound.input)
    read = min(usage.input, bound.input - tokens)
    return msgspec.structs.replace(usage, input=read, seconds=heard_for, audio_in=tokens)


_IMAGE_TOKENS = {"low": 272, "medium": 1_056, "high": 4_160}
_IMAGE_PIXELS = 1_024 * 1_024
_SIZE = re.compile(r"([1-9][0-9]{1,4})x([1-9][0-9]{1,4})")


def image_tokens(demand: MediaDemand) -> int:
    """Return the output tokens of one image, by the published table for 1024x1024, scaled by area for other sizes
    (developers.openai.com/api/docs/guides/image-generation, "Cost and latency"). Unstated values count as the least.
    """
    tokens = _IMAGE_TOKENS.get(demand.quality or "", _IMAGE_TOKENS["low"])
    size = _SIZE.fullmatch(demand.size or "")
    return tokens if size is None else max(tokens * int(size[1]) * int(size[2]) // _IMAGE_PIXELS, 1)


def _input(request: Request, demand: MediaDemand, model: Model) -> int:
    if demand.upload_bytes and not demand.images:
        return model.context or demand.upload_bytes  # the content of a file is unknown
    tokens = text_bound(request.size, model) + demand.items + demand.tokens
    tokens += request.size.images * model.image_tokens
    return min(tokens, model.context * max(demand.items, 1)) if model.context else tokens


def _seconds(demand: MediaDemand, model: Model) -> int:
    if demand.seconds or demand.images or not demand.upload_bytes:
        return demand.seconds
    return min(demand.upload_bytes // model.bytes_per_second + 1, model.max_seconds)


def _units(request: Request, demand: MediaDemand, model: Model) -> int:
    pieces = demand.items + text_bound(request.size, model) // _PIECE_TOKENS
    return -(-pieces // _UNIT_PIECES)
