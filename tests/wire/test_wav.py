"""The length of WAV recordings by their headers: never more than the file has, and 0 if unknown."""

import io
import struct
import wave

from hypothesis import given
from hypothesis import strategies as st

from tokenharbor.wire.count.wav import seconds_of


def recording(seconds: float, rate: int = 8_000, channels: int = 1, width: int = 2) -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(bytes(int(seconds * rate) * channels * width))
    return written.getvalue()


@given(
    st.integers(0, 40),
    st.sampled_from([8_000, 16_000, 44_100]),
    st.integers(1, 2),
    st.sampled_from([1, 2, 3]),
    st.data(),
)
def test_a_recording_has_its_whole_seconds_as_far_as_it_came(
    tenths: int, rate: int, channels: int, width: int, data: st.DataObject
) -> None:
    sound = recording(tenths / 10, rate, channels, width)
    assert seconds_of(sound[:512], len(sound)) == tenths // 10
    cut = data.draw(st.integers(0, len(sound)))
    assert seconds_of(sound[:cut][:512], cut) <= tenths // 10


def test_a_length_that_is_not_known_yet_is_what_came() -> None:
    sound = bytearray(recording(3))
    struct.pack_into("<I", sound, 40, 0xFFFFFFFF)
    assert seconds_of(bytes(sound[:512]), len(sound)) == 3


def test_other_chunks_may_stand_before_the_sound() -> None:
    sound = recording(3)
    noted = sound[:36] + b"LIST" + struct.pack("<I", 5) + b"INFO.\0" + sound[36:]
    assert seconds_of(noted[:512], len(noted)) == 3


@given(st.binary(max_size=80), st.integers(0, 10**6))
def test_whatever_else_it_is_tells_nothing(head: bytes, size: int) -> None:
    assert seconds_of(head, size) == 0
    assert 0 <= seconds_of(b"RIFF\0\0\0\0WAVEfmt " + head, size) <= size


def test_a_header_that_contradicts_itself_tells_nothing() -> None:
    sound = bytearray(recording(3))
    struct.pack_into("<I", sound, 28, 1)  # one byte a second
    assert seconds_of(bytes(sound), len(sound)) == 0
    squeezed = bytearray(recording(3))
    struct.pack_into("<H", squeezed, 20, 0x55)  # another audio format inside
    assert seconds_of(bytes(squeezed), len(squeezed)) == 0
