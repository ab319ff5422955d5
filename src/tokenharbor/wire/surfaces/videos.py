"""Videos: requested, polled until done, then fetched; billed by the requested seconds."""

import re

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.count.most_tokens import text_size
from tokenharbor.wire.framing.body import UnreadableError, edit, scan
from tokenharbor.wire.neutral.dialect import AnswerFacts
from tokenharbor.wire.neutral.failure import GARBAGE_ANSWER, Failure
from tokenharbor.wire.neutral.request import MediaDemand, Request
from tokenharbor.wire.surfaces.forms import (
    COMMON,
    UploadForm,
    read_count,
    read_model,
    read_text,
    read_word,
    refuse,
    refuse_tiers,
)
from tokenharbor.wire.surfaces.surface import decode_answer

USUAL_SECONDS = 4
"""The default length of a video in OpenAI's API."""

_PRICED = frozenset(
    {"n", "duration", "duration_seconds", "frames", "num_frames", "fps", "resolution", "quality", "audio"}
    | {"generate_audio", "num_videos", "n_variants", "remix_video_id", "video"}
)
"""Other vendors' fields for amounts; OpenAI's API has `seconds` and `size`."""

_NOTHING = frozenset({b""})
_MOST_SECONDS = 3600
_ID = re.compile(r"[A-Za-z0-9._:-]{1,200}")
_DONE = frozenset({"completed", "succeeded"})
_FAILED = frozenset({"failed", "cancelled", "canceled", "expired"})


class VideoState(msgspec.Struct, frozen=True):
    """A video's state as its vendor reports it."""

    id: str
    status: str

    @property
    def done(self) -> bool:
        return self.status in _DONE

    @property
    def failed(self) -> bool:
        return self.status in _FAILED


_STATE = msgspec.json.Decoder(VideoState)


class Videos:
    """The surface `videos`."""

    name = "videos"
    path = "/videos"
    passes = False
    known = COMMON | _PRICED | {"seconds", "size", "input_reference"}

    def check_field(self, name: str, value: bytes) -> None:
        refuse_tiers(name, value)
        if name in _PRICED:
            refuse(name, value, _NOTHING, "can change the price and is not supported: use `seconds` and `size`.")
        if name == "input_reference" and value.strip():
            raise InvalidRequest("`input_reference` must be sent as a file.", param=name)

    def read_form(self, form: UploadForm) -> Request:
        prompt = read_text(form, "prompt")
        seconds = read_count(form, "seconds", _MOST_SECONDS) or USUAL_SECONDS
        demand = MediaDemand(self.name, items=1, seconds=seconds, size=read_word(form, "size"))
        size = msgspec.structs.replace(text_size(prompt.encode()), images=form.reader.files)
        return Request(dialect=self.name, body=b"", members={}, model=read_model(form), size=size, demand=demand)

    def read_answer(self, request: Request, body: bytes) -> AnswerFacts | Failure:
        state = read_state(body)
        if isinstance(state, Failure) or request.demand is None:
            return GARBAGE_ANSWER
        return AnswerFacts(None, counted=Usage(seconds=request.demand.seconds))


def read_state(body: bytes) -> VideoState | Failure:
    state = decode_answer(_STATE, body)
    if not isinstance(state, Failure) and not _ID.fullmatch(state.id):
        return GARBAGE_ANSWER
    return state


def rename(body: bytes, our_id: str) -> bytes:
    """Return the vendor's answer with our id."""
    try:
        members = scan(body)
    except UnreadableError:  # a repeated key: the last value counts
        members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        return msgspec.json.encode({**members, "id": our_id})
    return edit(body, members, {"id": msgspec.json.encode(our_id)})
