"""AWS's event stream framing: known messages, any split, damage, limits, and agreement with AWS's own reader."""

import json
import zlib

import pytest
from botocore.eventstream import EventStreamBuffer, ParserError
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.splits import cut, places

from tokenharbor.wire.framing.eventstream import MAX_MESSAGE, EventMessage, EventStreamFramer, write

EMPTY = bytes.fromhex("00000010 00000000 05c248eb 7d98c8ff")
"""The shortest message there is; its two CRCs are those of AWS's own examples."""

ALL_TYPES = (
    bytes.fromhex("00000062 00000052 03b5cb9c")
    + b"\x010\x00\x011\x01\x012\x02\x02\x013\x03\x00\x03\x014\x04\x00\x00\x00\x04"
    + b"\x015\x05\x00\x00\x00\x00\x00\x00\x00\x05\x016\x06\x00\x05bytes\x017\x07\x00\x04utf8"
    + b"\x018\x08\x00\x00\x00\x00\x00\x00\x00\x08\x019\x090123456789abcdef"
    + bytes.fromhex("63353671")
)

messages = st.lists(
    st.tuples(st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=4), st.binary(max_size=200)),
    max_size=6,
)


def read(pieces: list[bytes]) -> tuple[list[EventMessage], bool]:
    framer = EventStreamFramer()
    return [message for piece in pieces for message in framer.feed(piece)], framer.broken


def test_the_shortest_message_is_written_and_read_as_documented() -> None:
    assert write({}, b"") == EMPTY
    assert read([EMPTY]) == ([EventMessage({}, b"")], False)


def test_headers_of_every_type_are_read() -> None:
    (message,), broken = read([ALL_TYPES])
    assert not broken
    assert message.headers == {
        "0": True,
        "1": False,
        "2": 2,
        "3": 3,
        "4": 4,
        "5": 5,
        "6": b"bytes",
        "7": "utf8",
        "8": 8,
        "9": b"0123456789abcdef",
    }
    assert (message.word("7"), message.word("6"), message.word("none")) == ("utf8", "", "")


@given(messages, places)
def test_any_split_gives_the_messages_that_were_written(
    sent: list[tuple[dict[str, str], bytes]], at: list[int]
) -> None:
    stream = b"".join(write(headers, payload) for headers, payload in sent)
    read_, broken = read(list(cut(stream, at)))
    assert [(message.headers, message.payload) for message in read_] == sent
    assert not broken


@given(messages)
def test_a_peer_reads_what_we_write(sent: list[tuple[dict[str, str], bytes]]) -> None:
    peer = EventStreamBuffer()
    peer.add_data(b"".join(write(headers, payload) for headers, payload in sent))
    assert [(message.headers, message.payload) for message in peer] == sent


@given(st.integers(0, len(ALL_TYPES) - 1), st.integers(1, 255))
def test_a_changed_byte_is_noticed(place: int, by: int) -> None:
    damaged = bytearray(ALL_TYPES)
    damaged[place] ^= by
    read_, broken = read([bytes(damaged), EMPTY])
    assert read_ == []
    assert broken


@given(st.binary(max_size=300), places)
def test_noise_is_never_a_message_and_every_split_agrees(noise: bytes, at: list[int]) -> None:
    assert read(list(cut(noise, at))) == read([noise])
    assert read([noise])[0] == []


def sealed(headers: bytes, payload: bytes = b"") -> bytes:
    """Return a message with valid CRCs, for any headers."""
    prelude = (16 + len(headers) + len(payload)).to_bytes(4, "big") + len(headers).to_bytes(4, "big")
    body = prelude + zlib.crc32(prelude).to_bytes(4, "big") + headers + payload
    return body + zlib.crc32(body).to_bytes(4, "big")


@pytest.mark.parametrize(
    "headers",
    [
        b"\x09cut",
        b"\x01a",
        b"\x01a\x07",
        b"\x01a\x07\x00\x05four",
        b"\x01a\x07\x00\x01\xff",
        b"\x01\xff\x00",
        b"\x01a\x05\x00",
        b"\x01a\x09short",
        b"\x01a\x0a",
        b"\x01a\x00\x01a\x01",
    ],
)
def test_headers_that_make_no_sense_break_the_stream(headers: bytes) -> None:
    assert read([sealed(headers)]) == ([], True)


@given(st.binary(max_size=60))
def test_strange_headers_are_read_as_the_peer_reads_them_or_not_at_all(headers: bytes) -> None:
    (read_, broken), peer = read([sealed(headers)]), EventStreamBuffer()
    peer.add_data(sealed(headers))
    if not broken:
        assert [message.headers for message in peer] == [message.headers for message in read_]


@pytest.mark.parametrize("size", [0, 15, MAX_MESSAGE + 1, 2**32 - 1])
def test_a_message_without_bounds_is_refused_before_it_comes(size: int) -> None:
    prelude = size.to_bytes(4, "big") + bytes(4)
    assert read([prelude + zlib.crc32(prelude).to_bytes(4, "big")]) == ([], True)


def test_headers_longer_than_their_message_are_refused() -> None:
    prelude = (16).to_bytes(4, "big") + (1).to_bytes(4, "big")
    front = prelude + zlib.crc32(prelude).to_bytes(4, "big")
    assert read([front]) == ([], True)


def test_the_largest_message_passes() -> None:
    payload = json.dumps("x" * (MAX_MESSAGE - 18)).encode()
    assert len(write({}, payload)) == MAX_MESSAGE
    (message,), broken = read([write({}, payload)])
    assert message.payload == payload
    assert not broken


def test_what_a_stream_ends_in_the_middle_of_is_pending() -> None:
    framer = EventStreamFramer()
    assert framer.feed(EMPTY + EMPTY[:9]) == [EventMessage({}, b"")]
    assert framer.pending == 9


def test_the_peer_notices_the_same_damage() -> None:
    peer = EventStreamBuffer()
    peer.add_data(EMPTY[:-1] + b"\x00")
    with pytest.raises(ParserError):
        list(peer)
