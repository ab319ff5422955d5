"""The surfaces beside chat, from the vendors' side, written independently of the product's."""

import base64
import email
import email.policy
import hashlib
import struct
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import msgspec

from tokenharbor.http.exchange import Exchange
from tokenharbor.kernel.usage import Usage
from tokenharbor.simulator.dialect import (
    AnswerPiece,
    ReportedUsage,
    SimulatedDialect,
    SimulatedReply,
    SimulatedRequest,
    VendorError,
)
from tokenharbor.simulator.openai_chat import SimulatedOpenAIChat
from tokenharbor.wire.framing.json_values import UNREADABLE

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode

_DIMENSIONS = 8
_BYTES_PER_CHARACTER = 400  # of simulated speech: a twentieth of a second
_PER_SECOND = 8_000
_WAVE = b"\x60" * 10 + b"\xa0" * 10  # 400 Hz


def _png() -> str:
    """Return a PNG of one grey pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head, dot = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0), zlib.compress(b"\x00\x80")
    whole = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", dot) + chunk(b"IEND", b"")
    return base64.b64encode(whole).decode()


_PICTURE = _png()


class SimulatedSurface(SimulatedOpenAIChat):
    """One request to a surface; `body` is its JSON. Errors are OpenAI's."""

    name = "surface"

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.body: dict[str, Any] = {}

    def read(self, body: bytes) -> SimulatedRequest:
        try:
            self.body = _decode(body)
            return SimulatedRequest(model=self.body["model"], stream=self.streams, input_tokens=self.count())
        except (*UNREADABLE, KeyError, TypeError) as error:
            raise VendorError(400, f"The simulator could not read the request: {error!r}") from None

    streams = False

    def count(self) -> int:
        return 1


class SimulatedJsonSurface(SimulatedSurface, ABC):
    """A surface that answers in JSON, with its usage."""

    def whole(self, reply: SimulatedReply) -> AnswerPiece:
        report = self.report(reply)
        body = self.answer(reply)
        if report is not None and reply.usage_fault != "none":
            body |= msgspec.json.decode(report.raw)
        return AnswerPiece(_encode(body), "whole", 0, report)

    @abstractmethod
    def answer(self, reply: SimulatedReply) -> dict[str, Any]:
        """Return the body without usage."""

    @abstractmethod
    def report(self, reply: SimulatedReply) -> ReportedUsage | None:
        """Return the usage, if this vendor reports it."""


class SimulatedEmbeddings(SimulatedJsonSurface):
    """A vector of eight numbers for each input, always the same."""

    name = "embeddings"

    def _items(self) -> list[Any]:
        given = self.body["input"]
        whole = isinstance(given, str) or (given and isinstance(given[0], int))
        return [given] if whole else list(given)

    def count(self) -> int:
        return sum(len(item) if isinstance(item, list) else -(-len(item) // 4) for item in self._items())

    def answer(self, reply: SimulatedReply) -> dict[str, Any]:
        packed = self.body.get("encoding_format") == "base64"
        rows = [
            {"object": "embedding", "index": index, "embedding": _vector(repr(item), packed=packed)}
            for index, item in enumerate(self._items())
        ]
        return {"object": "list", "data": rows, "model": reply.model}

    def report(self, reply: SimulatedReply) -> ReportedUsage | None:
        tokens = reply.usage.input
        return _report(Usage(input=tokens), {"prompt_tokens": tokens, "total_tokens": tokens}, reply)


def _vector(text: str, *, packed: bool) -> Any:
    digest = hashlib.sha256(text.encode()).digest()
    numbers = [byte / 256 for byte in digest[:_DIMENSIONS]]
    return base64.b64encode(struct.pack(f"<{_DIMENSIONS}f", *numbers)).decode() if packed else numbers


class SimulatedPictures(SimulatedJsonSurface):
    """As many images as requested. With `usage.reasoning` in the script, token usage is reported,
    as by some vendors.
    """

    def count(self) -> int:
        return -(-len(self.body["prompt"]) // 4)

    def made(self) -> int:
        return int(self.body.get("n") or 1)

    def answer(self, reply: SimulatedReply) -> dict[str, Any]:
        return {"created": reply.created, "data": [{"b64_json": _PICTURE}] * self.made()}

    def report(self, reply: SimulatedReply) -> ReportedUsage | None:
        usage = reply.usage
        if not usage.reasoning:  # images have no reasoning: the field only turns the report on
            return None
        counts = {
            "input_tokens": usage.input,
            "output_tokens": usage.reasoning * self.made(),
            "total_tokens": usage.input + usage.reasoning * self.made(),
            "input_tokens_details": {"text_tokens": usage.input, "image_tokens": 0},
        }
        return _report(Usage(input=usage.input, output=usage.reasoning * self.made()), counts, reply)


class SimulatedImages(SimulatedPictures):
    """Images from text alone."""

    name = "images"


class SimulatedSpeech(SimulatedSurface):
    """Audio whose length grows with the text."""

    name = "speech"
    streams = True
    stream_type = b"audio/wav"

    def count(self) -> int:
        return len(self.body["input"])

    def whole(self, reply: SimulatedReply) -> AnswerPiece:  # noqa: ARG002  only the text matters
        return AnswerPiece(simulated_wav(self.body["input"]), "whole")

    def stream(self, reply: SimulatedReply) -> list[AnswerPiece]:
        sound = self.whole(reply).data
        size = max(len(sound) // 8, 1)
        return [AnswerPiece(sound[at : at + size], "content") for at in range(0, len(sound), size)] + [
            AnswerPiece(b"", "end")
        ]


def simulated_wav(text: str) -> bytes:
    """Return simulated speech: a tone, in WAV for any requested format."""
    data = _WAVE * (len(text) * _BYTES_PER_CHARACTER // len(_WAVE))
    form = struct.pack("<HHIIHH", 1, 1, _PER_SECOND, _PER_SECOND, 1, 8)
    return b"RIFF%bWAVEfmt \x10\0\0\0%bdata%b%b" % (
        struct.pack("<I", 36 + len(data)),
        form,
        struct.pack("<I", len(data)),
        data,
    )


class SimulatedRerank(SimulatedJsonSurface):
    """The documents in their order, with decreasing relevance."""

    name = "rerank"

    def answer(self, reply: SimulatedReply) -> dict[str, Any]:
        most = int(self.body.get("top_n") or len(self.body["documents"]))
        count = min(most, len(self.body["documents"]))
        rows = [{"index": index, "relevance_score": 1 / (index + 1)} for index in range(count)]
        return {"id": reply.id, "results": rows}

    def report(self, reply: SimulatedReply) -> ReportedUsage | None:
        units = -(-len(self.body["documents"]) // 100)
        if reply.usage_fault is not None:
            return ReportedUsage(None, msgspec.Raw(b'{"meta":{"billed_units":{"search_units":-1}}}'))
        usage = Usage(search_units=units)
        return ReportedUsage(usage, msgspec.Raw(_encode({"meta": {"billed_units": {"search_units": units}}})))


class SimulatedForm(SimulatedSurface):
    """A request that is a form, read with the `email` package."""

    needs_file = True
    files = 0
    sounds = 0  # bytes of all files

    def read(self, body: bytes) -> SimulatedRequest:
        head = b"content-type: " + (self.exchange.header(b"content-type") or b"") + b"\r\n\r\n"
        parts = email.message_from_bytes(head + body, policy=email.policy.HTTP).walk()
        for part in parts:
            name = part.get_param("name", header="content-disposition")
            content = part.get_payload(decode=True)
            if not isinstance(content, bytes) or not isinstance(name, str):
                continue
            if part.get_filename() is None:
                self.body[name] = content.decode()
            else:
                self.files += 1
                self.sounds += len(content)
        if "model" not in self.body or (self.needs_file and not self.files):
            raise VendorError(400, "`model` and `file` are required.")
        return SimulatedRequest(model=self.body["model"], input_tokens=self.count())


class SimulatedTranscriptions(SimulatedForm, SimulatedJsonSurface):
    """A second for every thousand bytes. With `usage.reasoning` in the script, tokens are reported instead."""

    name = "transcriptions"

    def answer(self, reply: SimulatedReply) -> dict[str, Any]:  # noqa: ARG002  only the recording matters
        return {"text": f"{self.sounds} bytes of sound"}

    def report(self, reply: SimulatedReply) -> ReportedUsage | None:
        told = reply.usage.reasoning
        if not told:
            usage = Usage(seconds=-(-self.sounds // 1000))
            return _report(usage, {"type": "duration", "seconds": usage.seconds}, reply)
        counts = {
            "type": "tokens",
            "input_tokens": told,
            "output_tokens": 7,
            "total_tokens": told + 7,
            "input_token_details": {"text_tokens": 2, "audio_tokens": told - 2},
        }
        return _report(Usage(input=2, audio_in=told - 2, output=7), counts, reply)


class SimulatedImageEdits(SimulatedForm, SimulatedPictures):
    """Images from any images."""

    name = "image_edits"


def _report(usage: Usage, counts: dict[str, Any], reply: SimulatedReply) -> ReportedUsage:
    if reply.usage_fault is None:
        return ReportedUsage(usage, msgspec.Raw(_encode({"usage": counts})))
    return ReportedUsage(None, msgspec.Raw(_encode({"usage": dict.fromkeys(counts, -1)})))


SURFACES: Mapping[str, type[SimulatedSurface]] = {
    "/embeddings": SimulatedEmbeddings,
    "/images/generations": SimulatedImages,
    "/audio/speech": SimulatedSpeech,
    "/rerank": SimulatedRerank,
    "/audio/transcriptions": SimulatedTranscriptions,
    "/images/edits": SimulatedImageEdits,
}
"""The surfaces by the path's end."""


def surface_at(exchange: Exchange) -> SimulatedDialect | None:
    for end, wire in SURFACES.items():
        if exchange.path.endswith(end):
            return wire(exchange)
    return None
