"""Sizes of inlined media, read from their headers alone."""

import re
import zlib
from base64 import b64decode
from binascii import Error
from collections.abc import Iterator
from struct import error as too_short
from struct import unpack_from

_HEAD = 64 * 1024  # characters of base64; a JPEG's size may come after an embedded preview
_PDF_END = 1024 * 1024  # likewise; searched for pages at each end of a PDF
_PAGE = re.compile(rb"/Type\s*/Page[^s]")
_PAGES = re.compile(rb"/Count\s+(\d{1,4})")
_SHOWS = re.compile(rb"[)\]>]\s{0,3}T[jJ]\b")  # the operators that show a string
_STRING = re.compile(rb"\(((?:[^()\\]|\\.)*+)\)|<([0-9A-Fa-f\s]{4,}+)>", re.DOTALL)
_MOST_UNPACKED = 4 * 1024 * 1024  # bytes of all streams of a PDF; the next limit is for each
_MOST_OF_A_STREAM = 512 * 1024
_BYTES_PER_PAGE = 60_000  # if a PDF does not state its pages
_BYTES_PER_SECOND = {"wav": 32_000, "x-wav": 32_000, "pcm": 32_000, "flac": 60_000}  # others are compressed
_COMPRESSED = 16_000

_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def picture_size(data: str) -> tuple[int, int] | None:
    """Return width and height in pixels of a PNG, GIF, WebP or JPEG in base64; None if unknown."""
    head = _decode(data[:_HEAD])
    try:
        if head.startswith(b"\x89PNG\r\n\x1a\n"):
            return _pair(">II", head, 16)
        if head.startswith((b"GIF87a", b"GIF89a")):
            return _pair("<HH", head, 6)
        if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
            return _webp_size(head)
        return _jpeg_size(head) if head.startswith(b"\xff\xd8") else None
    except too_short:
        return None


def pdf_pages(data: str) -> int:
    """Return the number of pages, at least 1. Pages in compressed parts of the file are not found; the page tree's
    count often is.
    """
    body = _pdf_ends(data)
    stated = max((int(count) for count in _PAGES.findall(body)), default=0)
    found = max(len(_PAGE.findall(body)), stated)
    return found or max(1, round(len(data) * 3 / 4 / _BYTES_PER_PAGE))


def pdf_glyphs(data: str) -> float:
    """Return the number of visible characters, by the strings in its pages' streams; extrapolated for a long PDF. 0 for
    scanned pages.
    """
    texts = list(_streams(_pdf_ends(data)))
    found = [_shown(text) for text in texts if b"BT" in text and _SHOWS.search(text)]
    whole = len(data) <= 2 * _PDF_END and sum(map(len, texts)) < _MOST_UNPACKED
    return sum(found) if whole or not found else sum(found) / len(found) * max(len(found), pdf_pages(data))


def _pdf_ends(data: str) -> bytes:
    return _decode(data if len(data) <= 2 * _PDF_END else data[:_PDF_END] + data[-_PDF_END:])


def _streams(body: bytes) -> Iterator[bytes]:
    """Yield the beginning of each stream, decompressed; the total is bounded."""
    left, end = _MOST_UNPACKED, 0
    while left > 0:
        start = body.find(b"stream", end)
        end = body.find(b"endstream", start + 6)
        if start < 0 or end < 0:
            return
        packed = body[start + 6 : end].lstrip(b"\r\n")
        try:
            text = zlib.decompressobj().decompress(packed, _MOST_OF_A_STREAM)
        except zlib.error:
            text = packed[:_MOST_OF_A_STREAM]
        left -= len(text)
        end += 9
        yield text


def _shown(text: bytes) -> int:
    """Count one for each byte of a string, and one for each two bytes of a hexadecimal one."""
    return sum(len(plain) or len(hexadecimal) // 4 for plain, hexadecimal in _STRING.findall(text))


def audio_seconds(media_type: str, data: str) -> float:
    """Return the seconds of audio: a WAV's by its header, others' by the usual byte rate."""
    length = len(data) * 3 / 4
    head = _decode(data[:64])
    if head.startswith(b"RIFF") and head[8:16] == b"WAVEfmt " and len(head) >= 32:
        (rate,) = unpack_from("<I", head, 28)
        return length / rate if rate else 0.0
    return length / _BYTES_PER_SECOND.get(media_type.partition("/")[2], _COMPRESSED)


def decode_text(data: str) -> str:
    return _decode(data).decode("utf-8", "replace")


def _decode(data: str) -> bytes:
    try:
        return b64decode(data[: len(data) // 4 * 4], altchars=b"-_" if "-" in data or "_" in data else None)
    except (Error, ValueError):
        return b""


def _pair(form: str, head: bytes, offset: int) -> tuple[int, int]:
    width, height = unpack_from(form, head, offset)
    return width, height


def _webp_size(head: bytes) -> tuple[int, int] | None:
    match head[12:16]:
        case b"VP8X" if len(head) >= 30:
            return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
        case b"VP8L":
            (bits,) = unpack_from("<I", head, 21)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            width, height = unpack_from("<HH", head, 26)
            return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 9 <= len(head) and head[place] == 0xFF:
        marker = head[place + 1]
        if marker in _START_OF_FRAME:
            height, width = unpack_from(">HH", head, place + 5)
            return width, height
        (length,) = unpack_from(">H", head, place + 2)
        place += 2 + length
    return None
