"""Content dearer than an image is not counted as one: the quote covers the content that the vendor will read."""

import json
from typing import Any

import pytest

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire import DIALECTS, PROVIDER_DIALECTS
from tokenharbor.wire.neutral.chat import VendorOptions

ORDER = VendorOptions(
    "m", stream=False, max_output=9, most_output=9, capabilities=frozenset({"vision"}), max_field="max_tokens"
)
FILM = "data:video/mp4;base64,AAAA"
SOURCE = {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}


def body(dialect: str, part: Any) -> bytes:
    said = [{"role": "user", "content": [part]}]
    if dialect == "openai_responses":
        return json.dumps({"model": "m", "input": said}).encode()
    return json.dumps({"model": "m", "max_tokens": 9, "messages": said}).encode()


@pytest.mark.parametrize(
    ("dialect", "part"),
    [
        ("openai_chat", {"type": "image_url", "image_url": {"url": FILM}}),
        ("openai_responses", {"type": "input_image", "image_url": FILM}),
        ("anthropic_messages", {"type": "image", "source": SOURCE}),
        (
            "anthropic_messages",
            {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "image", "source": SOURCE}]},
        ),
    ],
)
def test_a_film_or_a_document_is_not_told_as_a_picture(dialect: str, part: Any) -> None:
    request = DIALECTS[dialect].read_request(body(dialect, part))
    with pytest.raises(InvalidRequest, match=r"application/pdf|video/mp4"):
        DIALECTS[dialect].read_chat(request)


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses"])
def test_the_vendor_is_not_told_that_a_picture_elsewhere_is_a_film(dialect: str) -> None:
    url = "https://pictures.example/film.mp4"
    parts = {
        "openai_chat": {"type": "image_url", "image_url": {"url": url}},
        "openai_responses": {"type": "input_image", "image_url": url},
    }
    request = DIALECTS[dialect].read_request(body(dialect, parts[dialect]))
    written = PROVIDER_DIALECTS["gemini"].write_chat(DIALECTS[dialect].read_chat(request), ORDER)
    assert b'"mimeType":"image/' in written


def test_a_film_in_the_place_of_a_picture_counts_as_a_file() -> None:
    request = DIALECTS["openai_chat"].read_request(
        body("openai_chat", {"type": "image_url", "image_url": {"url": FILM}})
    )
    assert (request.size.images, request.size.files) == (0, 1)


def test_a_file_counts_as_one_whatever_stands_beside_it() -> None:
    part = {"type": "input_file", "file_url": "https://files.example/long.pdf", "image_url": "https://x.example/a.png"}
    assert DIALECTS["openai_responses"].read_request(body("openai_responses", part)).size.files == 1


@pytest.mark.parametrize(
    ("dialect", "part"),
    [
        ("openai_chat", {"type": "document_url", "document_url": "https://example.com/a.pdf"}),
        ("openai_chat", {"type": "file_url", "file_url": {"url": "https://example.com/a.pdf"}}),
        ("openai_chat", {"type": "audio_url", "audio_url": {"url": "https://example.com/a.mp3"}}),
        ("openai_chat", {"type": "input_file", "file_url": "https://example.com/a.pdf"}),
        ("openai_responses", {"type": "input_video", "video_url": "https://example.com/a.mp4"}),
        ("openai_responses", {"type": "input_audio", "audio_url": "https://example.com/a.mp3"}),
        ("anthropic_messages", {"type": "video", "source": {"type": "url", "url": "https://example.com/a.mp4"}}),
        ("anthropic_messages", {"type": "file", "file_id": "file_1"}),
        (
            "anthropic_messages",
            {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "audio_url", "url": "https://a.example"}]},
        ),
    ],
)
def test_F9_a_part_of_another_kind_may_be_all_that_the_context_holds(dialect: str, part: Any) -> None:
    """The gateway cannot see content behind a URL: Mistral reads documents, GLM files, Kimi films."""
    assert DIALECTS[dialect].read_request(body(dialect, part)).size.files == 1


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses", "anthropic_messages"])
def test_F9_a_picture_by_another_name_counts_as_one(dialect: str) -> None:
    size = (
        DIALECTS[dialect].read_request(body(dialect, {"type": "image_file", "url": "https://example.com/a.png"})).size
    )
    assert (size.images, size.files) == (1, 0)


@pytest.mark.parametrize(("ttl", "hour"), [('"1h"', True), ('"\\u0031h"', True), ('"1\\u0068"', True), ('"5m"', False)])
def test_F2_a_mark_for_an_hour_counts_in_the_dialect_that_passes_it_on(ttl: str, hour: bool) -> None:
    """A vendor of Messages gets the mark, and charges twice the input price."""
    control = '{"type": "ephemeral", "ttl": TTL}'.replace("TTL", ttl)
    part = '{"type": "text", "text": "hi", "cache_control": CONTROL}'.replace("CONTROL", control)
    said = '{"model": "m", "messages": [{"role": "user", "content": [PART]}]}'.replace("PART", part)
    assert DIALECTS["openai_chat"].read_request(said.encode()).cache_writes_1h is hour
