"""The surfaces beside chat as their vendors speak them, written here once more."""

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
from tokenharbor.simulator.openai_chat import OpenAIChat
from tokenharbor.simulator.speech import Asked, Piece, Reply, Report, VendorError, Wire

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode

_DIMENSIONS = 8
_BYTES_PER_CHARACTER = 400  # of the simulated voice: a twentieth of a second
_PER_SECOND = 8_000
_WAVE = b"\x60" * 10 + b"\xa0" * 10  # 400 Hz


def _png() -> str:
    """One grey dot."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head, dot = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0), zlib.compress(b"\x00\x80")
    whole = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", dot) + chunk(b"IEND", b"")
    return base64.b64encode(whole).decode()


_PICTURE = _png()


class SurfaceWire(OpenAIChat):
    """One request of one surface; `said` is its body. Errors are OpenAI's."""

    name = "surface"

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.said: dict[str, Any] = {}

    def read(self, body: bytes) -> Asked:
        try:
            self.said = _decode(body)
            return Asked(model=self.said["model"], stream=self.streams, input_tokens=self.count())
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError) as error:
            raise VendorError(400, f"The simulator could not read the request: {error!r}") from None

    streams = False

    def count(self) -> int:
        return 1


class Reporting(SurfaceWire, ABC):
    """A surface that answers in JSON, with what was used beside it."""

    def whole(self, reply: Reply) -> Piece:
        report = self.report(reply)
        body = self.answer(reply)
        if report is not None and reply.usage_fault != "none":
            body |= msgspec.json.decode(report.raw)
        return Piece(_encode(body), "whole", 0, report)

    @abstractmethod
    def answer(self, reply: Reply) -> dict[str, Any]:
        """The body without what was used."""

    @abstractmethod
    def report(self, reply: Reply) -> Report | None:
        """What was used, where this vendor tells it."""


class Embeddings(Reporting):
    """A vector of eight numbers for each input, the same one every time."""

    name = "embeddings"

    def _items(self) -> list[Any]:
        given = self.said["input"]
        whole = isinstance(given, str) or (given and isinstance(given[0], int))
        return [given] if whole else list(given)

    def count(self) -> int:
        return sum(len(item) if isinstance(item, list) else -(-len(item) // 4) for item in self._items())

    def answer(self, reply: Reply) -> dict[str, Any]:
        packed = self.said.get("encoding_format") == "base64"
        rows = [
            {"object": "embedding", "index": index, "embedding": _vector(repr(item), packed=packed)}
            for index, item in enumerate(self._items())
        ]
        return {"object": "list", "data": rows, "model": reply.model}

    def report(self, reply: Reply) -> Report | None:
        tokens = reply.usage.input
        return _report(Usage(input=tokens), {"prompt_tokens": tokens, "total_tokens": tokens}, reply)


def _vector(text: str, *, packed: bool) -> Any:
    digest = hashlib.sha256(text.encode()).digest()
    numbers = [byte / 256 for byte in digest[:_DIMENSIONS]]
    return base64.b64encode(struct.pack(f"<{_DIMENSIONS}f", *numbers)).decode() if packed else numbers


class Pictures(Reporting):
    """As many as were asked for. With `usage.reasoning` in the script their tokens are told, as some vendors do."""

    def count(self) -> int:
        return -(-len(self.said["prompt"]) // 4)

    def made(self) -> int:
        return int(self.said.get("n") or 1)

    def answer(self, reply: Reply) -> dict[str, Any]:
        return {"created": reply.created, "data": [{"b64_json": _PICTURE}] * self.made()}

    def report(self, reply: Reply) -> Report | None:
        usage = reply.usage
        if not usage.reasoning:  # what a picture has none of tells that tokens are to be told
            return None
        counts = {
            "input_tokens": usage.input,
            "output_tokens": usage.reasoning * self.made(),
            "total_tokens": usage.input + usage.reasoning * self.made(),
            "input_tokens_details": {"text_tokens": usage.input, "image_tokens": 0},
        }
        return _report(Usage(input=usage.input, output=usage.reasoning * self.made()), counts, reply)


class Images(Pictures):
    """Pictures from words alone."""

    name = "images"


class Speech(SurfaceWire):
    """Sound of a length that grows with the text."""

    name = "speech"
    streams = True
    stream_type = b"audio/wav"

    def count(self) -> int:
        return len(self.said["input"])

    def whole(self, reply: Reply) -> Piece:  # noqa: ARG002  the text is all it needs
        return Piece(sound_of(self.said["input"]), "whole")

    def stream(self, reply: Reply) -> list[Piece]:
        sound = self.whole(reply).data
        size = max(len(sound) // 8, 1)
        return [Piece(sound[at : at + size], "content") for at in range(0, len(sound), size)] + [Piece(b"", "end")]


def sound_of(text: str) -> bytes:
    """What the simulated voice makes of a text: a tone, whatever format was asked for."""
    data = _WAVE * (len(text) * _BYTES_PER_CHARACTER // len(_WAVE))
    form = struct.pack("<HHIIHH", 1, 1, _PER_SECOND, _PER_SECOND, 1, 8)
    return b"RIFF%bWAVEfmt \x10\0\0\0%bdata%b%b" % (
        struct.pack("<I", 36 + len(data)),
        form,
        struct.pack("<I", len(data)),
        data,
    )


class Rerank(Reporting):
    """The documents in their order, each less relevant than the one before."""

    name = "rerank"

    def answer(self, reply: Reply) -> dict[str, Any]:
        most = int(self.said.get("top_n") or len(self.said["documents"]))
        count = min(most, len(self.said["documents"]))
        rows = [{"index": index, "relevance_score": 1 / (index + 1)} for index in range(count)]
        return {"id": reply.id, "results": rows}

    def report(self, reply: Reply) -> Report | None:
        units = -(-len(self.said["documents"]) // 100)
        if reply.usage_fault is not None:
            return Report(None, msgspec.Raw(b'{"meta":{"billed_units":{"search_units":-1}}}'))
        usage = Usage(search_units=units)
        return Report(usage, msgspec.Raw(_encode({"meta": {"billed_units": {"search_units": units}}})))


class Form(SurfaceWire):
    """A request that is a form, read by the library's reader of mail."""

    needs_file = True
    files = 0
    sounds = 0  # bytes in the files

    def read(self, body: bytes) -> Asked:
        head = b"content-type: " + (self.exchange.header(b"content-type") or b"") + b"\r\n\r\n"
        parts = email.message_from_bytes(head + body, policy=email.policy.HTTP).walk()
        for part in parts:
            name = part.get_param("name", header="content-disposition")
            content = part.get_payload(decode=True)
            if not isinstance(content, bytes) or not isinstance(name, str):
                continue
            if part.get_filename() is None:
                self.said[name] = content.decode()
            else:
                self.files += 1
                self.sounds += len(content)
        if "model" not in self.said or (self.needs_file and not self.files):
            raise VendorError(400, "`model` and `file` are required.")
        return Asked(model=self.said["model"], input_tokens=self.count())


class Transcriptions(Form, Reporting):
    """A second for every thousand bytes. With `usage.reasoning` in the script tokens are told instead."""

    name = "transcriptions"

    def answer(self, reply: Reply) -> dict[str, Any]:  # noqa: ARG002  the recording is all it needs
        return {"text": f"{self.sounds} bytes of sound"}

    def report(self, reply: Reply) -> Report | None:
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


class ImageEdits(Form, Pictures):
    """Pictures from pictures, whatever was sent."""

    name = "image_edits"


def _report(usage: Usage, counts: dict[str, Any], reply: Reply) -> Report:
    if reply.usage_fault is None:
        return Report(usage, msgspec.Raw(_encode({"usage": counts})))
    return Report(None, msgspec.Raw(_encode({"usage": dict.fromkeys(counts, -1)})))


SURFACES: Mapping[str, type[SurfaceWire]] = {
    "/embeddings": Embeddings,
    "/images/generations": Images,
    "/audio/speech": Speech,
    "/rerank": Rerank,
    "/audio/transcriptions": Transcriptions,
    "/images/edits": ImageEdits,
}
"""By the end of the path."""


def surface_at(exchange: Exchange) -> Wire | None:
    for end, wire in SURFACES.items():
        if exchange.path.endswith(end):
            return wire(exchange)
    return None
