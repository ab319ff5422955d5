"""Transcription: a recording in, text out, billed by the second or by the vendor's tokens."""

import math

import msgspec

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.framing.json_values import NULL, UNREADABLE
from tokenharbor.wire.neutral.dialect import AnswerFacts
from tokenharbor.wire.neutral.failure import Failure
from tokenharbor.wire.neutral.request import InputSize, MediaDemand, Request
from tokenharbor.wire.neutral.usage import MOST, BadUsageError, check_range
from tokenharbor.wire.surfaces.forms import COMMON, NOT_TRUE, UploadForm, read_model, refuse, refuse_tiers
from tokenharbor.wire.surfaces.surface import decode_answer

_FORMATS = frozenset({b"json", b"verbose_json", b"diarized_json"})


class _Details(msgspec.Struct, frozen=True):
    audio_tokens: int = 0


class _Counts(msgspec.Struct, frozen=True):
    seconds: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    input_token_details: _Details | None = None


class _Whole(msgspec.Struct, frozen=True):
    text: str
    duration: float | str | None = None
    usage: msgspec.Raw = NULL


_ANSWER = msgspec.json.Decoder(_Whole)
_counts = msgspec.json.Decoder(_Counts | None).decode


class Transcriptions:
    """The surface `transcriptions`."""

    name = "transcriptions"
    path = "/audio/transcriptions"
    passes = True
    known = COMMON | {
        "file",
        "include",
        "include[]",
        "language",
        "response_format",
        "stream",
        "temperature",
        "timestamp_granularities",
        "timestamp_granularities[]",
    }

    def check_field(self, name: str, value: bytes) -> None:
        refuse_tiers(name, value)
        if name == "stream":
            refuse(name, value, NOT_TRUE, "is not supported for transcriptions: remove it.")
        if name == "response_format":
            why = "must be json, verbose_json or diarized_json: other formats do not report usage."
            refuse(name, value, _FORMATS, why)

    def read_form(self, form: UploadForm) -> Request:
        return Request(
            dialect=self.name,
            body=b"",
            members={},
            model=read_model(form),
            size=InputSize(0, audios=1),
            demand=MediaDemand(self.name, items=1, upload_bytes=form.length),
        )

    def read_answer(self, request: Request, body: bytes) -> AnswerFacts | Failure:  # noqa: ARG002  the answer has all facts
        whole = decode_answer(_ANSWER, body)
        if isinstance(whole, Failure):
            return whole
        try:
            return AnswerFacts(_usage(whole), len(whole.text.encode()))
        except BadUsageError:
            return AnswerFacts(None, len(whole.text.encode()), quarantined=True)


def _usage(whole: _Whole) -> Usage | None:
    """Read the usage: seconds, rounded up; tokens, where `input_tokens` includes audio tokens."""
    try:
        counts = _counts(whole.usage)
        told = float(whole.duration) if whole.duration is not None else None
    except (*UNREADABLE, ValueError):
        raise BadUsageError("a count is not a number") from None
    if counts is not None and counts.input_tokens is not None:
        before, after = counts.input_tokens, counts.output_tokens or 0
        heard = counts.input_token_details.audio_tokens if counts.input_token_details is not None else before
        check_range(before, after, heard)
        if heard > before or counts.total_tokens not in (None, before + after):
            raise BadUsageError("the counts do not add up to the total")
        return Usage(input=before - heard, audio_in=heard, output=after, seconds=_seconds(told))
    seconds = counts.seconds if counts is not None and counts.seconds is not None else told
    return None if seconds is None else Usage(seconds=_seconds(seconds))


def _seconds(told: float | None) -> int:
    if told is None:
        return 0
    if not 0 <= told <= MOST:
        raise BadUsageError("the duration is out of range")
    return math.ceil(told)
