"""What is kept of an answer, and its form while it is kept."""

from typing import Literal

import msgspec

from tokenharbor.kernel.usage import Usage

CacheLayer = Literal["exact", "semantic"]
"""What found an answer."""
SEMANTIC: CacheLayer = "semantic"


class AnswerSource(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Who gave an answer: a provider, the model by its name there, and where."""

    provider: str
    upstream_model: str
    region: str


class KeptAnswer(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A complete answer as its caller got it, without the cost that was added. `dialect` is that caller's;
    `shows_usage`: whether a stream of it has its usage. `source` gave it; `left_out` are the fields that it was not
    told. `ending` is what of a stream says that it is complete.
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
    """An answer that was found, and by what."""

    answer: KeptAnswer
    layer: CacheLayer


class UnreadableAnswer(Exception):
    """What was kept is no answer of this version."""


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(KeptAnswer)


def pack(answer: KeptAnswer) -> bytes:
    return _ENCODER.encode(answer)


def unpack(packed: bytes) -> KeptAnswer:
    """Raises UnreadableAnswer."""
    try:
        return _DECODER.decode(packed)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableAnswer(str(error)) from None
