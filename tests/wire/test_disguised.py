"""What costs more than a picture is not taken for one: the quote counts what the vendor will read."""

import json
from typing import Any

import pytest

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire import VENDORS, WIRES
from tokenharbor.wire.chat import Order

ORDER = Order(
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
    request = WIRES[dialect].read_request(body(dialect, part))
    with pytest.raises(InvalidRequest, match=r"application/pdf|video/mp4"):
        WIRES[dialect].read_chat(request)


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses"])
def test_the_vendor_is_not_told_that_a_picture_elsewhere_is_a_film(dialect: str) -> None:
    url = "https://pictures.example/film.mp4"
    parts = {
        "openai_chat": {"type": "image_url", "image_url": {"url": url}},
        "openai_responses": {"type": "input_image", "image_url": url},
    }
    request = WIRES[dialect].read_request(body(dialect, parts[dialect]))
    written = VENDORS["gemini"].write_chat(WIRES[dialect].read_chat(request), ORDER)
    assert b'"mimeType":"image/' in written


def test_a_film_in_the_place_of_a_picture_counts_as_a_file() -> None:
    request = WIRES["openai_chat"].read_request(body("openai_chat", {"type": "image_url", "image_url": {"url": FILM}}))
    assert (request.size.images, request.size.files) == (0, 1)


def test_a_file_counts_as_one_whatever_stands_beside_it() -> None:
    part = {"type": "input_file", "file_url": "https://files.example/long.pdf", "image_url": "https://x.example/a.png"}
    assert WIRES["openai_responses"].read_request(body("openai_responses", part)).size.files == 1
