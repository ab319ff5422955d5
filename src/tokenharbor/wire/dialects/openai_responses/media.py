"""The size of a Responses request's input, with inlined media counted apart from text, and the tools in its items."""

from typing import Any

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.count.most_tokens import BodyMedia, size_of
from tokenharbor.wire.framing.body import Members
from tokenharbor.wire.framing.fields import is_null, wrong_shape
from tokenharbor.wire.framing.json_values import NULL, UNREADABLE
from tokenharbor.wire.neutral.request import InputSize


class _Media(msgspec.Struct, frozen=True, gc=False):
    data: str | None = None


class _Part(msgspec.Struct, frozen=True, gc=False):
    """A part of a message or of a tool's output; in older clients an image's URL may be in an object."""

    type: str | None = None
    image_url: str | dict[str, Any] | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    input_audio: _Media | None = None


class _Item(msgspec.Struct, frozen=True, gc=False):
    type: str | None = None
    id: str | None = None
    role: str | None = None
    content: str | list[_Part] | None = None
    output: str | list[_Part] | _Part | None = None
    tools: msgspec.Raw = NULL


_SEEN = frozenset({None, "input_text", "output_text", "text", "refusal", "summary_text", "reasoning_text"})
"""The part types that are text."""

_decode = msgspec.json.Decoder(str | list[_Item]).decode

_STATELESS = "The gateway stores no conversations: send the whole conversation in `input`."


class InputMeasure(msgspec.Struct, frozen=True):
    """The size of the input, and the lists of tools in its items, with their places."""

    size: InputSize
    tools: tuple[tuple[str, msgspec.Raw], ...] = ()


def measure_input(body: bytes, members: Members) -> InputMeasure:
    """Measure the input. Raises InvalidRequest if it has the wrong shape or refers to stored content."""
    try:
        items = _decode(members["input"])
    except UNREADABLE as error:
        raise wrong_shape("input", error) from None
    if isinstance(items, str):
        return InputMeasure(size_of(body, members))
    parts: list[_Part] = []
    tools: list[tuple[str, msgspec.Raw]] = []
    for index, item in enumerate(items):
        _check(index, item)
        if isinstance(item.content, list):
            parts += item.content
        if isinstance(item.output, list):
            parts += item.output
        elif isinstance(item.output, _Part):
            parts.append(item.output)
        if item.tools is not NULL and not is_null(item.tools):
            tools.append((f"input[{index}].tools", item.tools))
    return InputMeasure(size_of(body, members, _tally(parts)) if parts else size_of(body, members), tuple(tools))


def _check(index: int, item: _Item) -> None:
    if item.type == "item_reference" or (item.type is None and item.role is None and item.id is not None):
        raise InvalidRequest(
            f"`input[{index}]` refers to an item stored at a provider. {_STATELESS}", param=f"input[{index}]"
        )
    if item.type == "compaction_trigger":
        raise InvalidRequest(
            f"`input[{index}]` asks the provider for a compaction, which is not supported: summarise the conversation"
            " in a separate request.",
            param=f"input[{index}].type",
        )


def _tally(parts: list[_Part]) -> BodyMedia:
    media = BodyMedia()
    for part in parts:
        before = media.images, media.files, media.audios
        if part.image_url is not None or (part.file_id is not None and part.type != "input_file"):
            media.images += 1
            url = part.image_url.get("url") if isinstance(part.image_url, dict) else part.image_url
            if isinstance(url, str) and url.startswith("data:"):  # an ordinary URL is text
                media.add(url)
        if part.file_data is not None or part.file_url is not None or (part.file_id and part.type == "input_file"):
            media.files += 1
            media.add(part.file_data or "", of_file=True)
        if part.input_audio is not None:
            media.audios += 1
            media.add(part.input_audio.data or "", of_file=True)
        if part.type not in _SEEN and before == (media.images, media.files, media.audios):
            media.add_unknown(part.type)
    return media
