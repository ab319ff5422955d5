"""Cached answers, and the bytes that they are packed into."""

from typing import Literal

import msgspec

from tokenharbor.kernel.usage import Usage

CacheLayer = Literal["exact", "semantic"]
"""The cache in which an answer was found."""
SEMANTIC: CacheLayer = "semantic"


class AnswerSource(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The origin of an answer: the provider, the provider's name of the model, and the region."""

    provider: str
    upstream_model: str
    region: str


class CachedAnswer(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A complete answer as its caller got it, without the cost that was added for the caller. `dialect` is the
    caller's. `shows_usage`: the answer includes its usage. `left_out` names the request's fields that were not sent to
    the provider. `ending` is the ending of a stream; `body` is then the content before it.
    """

    dialect: str
    stream: bool
    shows_usage: bool
    source: AnswerSource
    usage: Usage
    body: bytes
    ending: bytes = b""
    left_out: tuple[str, ...] = ()


class CacheHit(msgspec.Struct, frozen=True, gc=False):
    """A cached answer, and the cache that it was found in."""

    answer: CachedAnswer
    layer: CacheLayer


class UnreadableAnswer(Exception):
    """The cached bytes are not an answer of this version."""


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(CachedAnswer)


def pack(answer: CachedAnswer) -> bytes:
    return _ENCODER.encode(answer)


def unpack(packed: bytes) -> CachedAnswer:
    """Return the answer that was packed. Raises UnreadableAnswer."""
    try:
        return _DECODER.decode(packed)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableAnswer(str(error)) from None
