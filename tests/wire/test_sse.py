"""SSE framing: every line end, any split, unchanged bytes, and a size limit."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.splits import cut, places

from tokenharbor.wire.framing import sse
from tokenharbor.wire.framing.sse import MAX_EVENT, Frame, SseFramer

BOM = b"\xef\xbb\xbf"


def frames_of(pieces: list[bytes]) -> list[Frame]:
    framer = SseFramer()
    frames = [frame for piece in pieces for frame in framer.feed(piece)]
    return frames + framer.close()


def told(stream: bytes) -> list[tuple[str, str]]:
    """Return what the standard's algorithm dispatches, line by line: names and data of events with data."""
    text = stream.decode().removeprefix("\ufeff")
    events: list[tuple[str, str]] = []
    name, data = "", None
    for line in [*re.split(r"\r\n|\n|\r", text), ""]:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data is not None:
                events.append((name, data))
            name, data = "", None
        elif field == "event":
            name = value
        elif field == "data":
            data = value if data is None else f"{data}\n{value}"
    return events


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_an_event_has_its_name_its_data_and_its_bytes_with_every_line_end(end: bytes) -> None:
    stream = end.join([b"event: greeting", b'data: {"a":1}', b"", b"data: two", b"", b""])
    first, second = frames_of([stream])
    assert first[:2] == (b"greeting", b'{"a":1}')
    assert second[:2] == (b"", b"two")
    assert first[2] + second[2] == stream


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: a\ndata: b\n\n", (b"", b"a\nb")),
        (b"data:a\n\n", (b"", b"a")),
        (b"data:  a\n\n", (b"", b" a")),
        (b"data\n\n", (b"", b"")),
        (b": keep-alive\n\n", (b"", None)),
        (b"id: 7\nretry: 10\n\n", (b"", None)),
        (b"event: ping\n\n", (b"ping", None)),
        (b"data: a\nevent: late\nid: 1\n\n", (b"late", b"a")),
        (BOM + b"data: a\n\n", (b"", b"a")),
        (BOM + b"event: e\ndata: a\n\n", (b"e", b"a")),
        (b"\n\n", (b"", None)),
        (b"data: a\nunknown: b\n\n", (b"", b"a")),
        (b"data: last, without its blank line", (b"", b"last, without its blank line")),
        (b"data: last\n", (b"", b"last")),
        (b'{"error":{"message":"no stream"}}', (b"", b'{"error":{"message":"no stream"}}')),
        (b"<html>\n<body>\n\n", (b"", b"<html>\n<body>")),
    ],
)
def test_the_odd_shapes(stream: bytes, expected: tuple[bytes, bytes | None]) -> None:
    ((name, data, raw),) = frames_of([stream])
    assert (name, data) == expected
    assert raw == stream


def test_a_byte_order_mark_counts_only_at_the_beginning() -> None:
    for pieces in ([b"data: a\n\n" + BOM + b"data: b\n\n"], [b"data: a\n\n", BOM + b"data: b\n\n"]):
        _, second = frames_of(pieces)
        assert second[1] == BOM + b"data: b"


lines = st.sampled_from(
    ["data: x", "data:y", 'data: {"é":[1]}', "event: e", "event:", ": c", "id: 1", "retry: 5", "data", "", "", ""]
)
ends = st.sampled_from(["\n", "\r\n", "\r"])
streams = st.lists(st.tuples(lines, ends), max_size=25).map(lambda rows: "".join(a + b for a, b in rows).encode())


@given(streams, st.booleans(), places)
def test_any_split_gives_the_same_frames_and_loses_no_byte(stream: bytes, marked: bool, where: list[int]) -> None:
    stream = BOM + stream if marked else stream
    whole = frames_of([stream])
    assert frames_of(list(cut(stream, where))) == whole
    assert frames_of([stream[i : i + 1] for i in range(len(stream))]) == whole
    assert b"".join(raw for _, _, raw in whole) == stream


@given(streams)
def test_the_frames_are_the_events_of_the_standard(stream: bytes) -> None:
    ours = [(name.decode(), data.decode()) for name, data, _ in frames_of([stream]) if data is not None]
    assert ours == told(stream)


def test_what_is_written_is_read_back() -> None:
    assert frames_of([sse.write(b"{}", b"e") + sse.write(b"[1]")]) == [
        (b"e", b"{}", b"event: e\ndata: {}\n\n"),
        (b"", b"[1]", b"data: [1]\n\n"),
    ]


@pytest.mark.parametrize("step", [1 << 30, 1 << 16])
@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b""])
def test_an_event_beyond_the_bound_is_an_overflow_however_it_comes(step: int, end: bytes) -> None:
    framer = SseFramer()
    assert len(framer.feed(b"data: small" + (end or b"\n\n"))) == 1
    stream = b"data: " + b"x" * MAX_EVENT + end
    for start in range(0, len(stream), step):
        assert framer.feed(stream[start : start + step]) == []
    assert framer.overflow
    assert framer.feed(b"data: more\n\n") == []
    assert framer.close() == []


def test_an_event_within_the_bound_is_none_however_it_comes() -> None:
    stream = b"data: " + b"x" * (MAX_EVENT - 8) + b"\n\n"
    assert len(frames_of([stream])) == 1
    assert len(frames_of([stream[: MAX_EVENT - 1], stream[MAX_EVENT - 1 :]])) == 1
