"""Content codings: what an upstream compressed, although it was asked not to, is decompressed piece by piece."""

import re
import zlib

from tokenharbor.http.head import END
from tokenharbor.http.message import BrokenAnswer

_CODED = re.compile(rb"\r\ncontent-encoding:[ \t]*(?:x-)?(?:gzip|deflate)[ \t]*\r\n", re.IGNORECASE)
_PIECE = 256 << 10  # bytes at a time, so that a small body cannot take much memory
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_BARE = -zlib.MAX_WBITS


class ContentDecoder:
    """Of one body: gzip, zlib, or what some send as `deflate` without zlib's head."""

    __slots__ = ("_began", "_full", "_inflate", "_pending")

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._pending = b""
        self._began = False  # something was decompressed
        self._full = False  # the last piece was as large as pieces may be: more may follow without more input

    def feed(self, data: bytes) -> None:
        self._pending += data

    def take(self) -> bytes:
        """The next bytes, b"" if more input must come first. Raises Broken."""
        while self._pending or self._full:
            if self._inflate.eof:  # another member follows
                self._inflate = zlib.decompressobj(_GZIP_OR_ZLIB)
            piece = self._decompress()
            self._pending = self._inflate.unconsumed_tail or self._inflate.unused_data
            self._full = len(piece) == _PIECE
            if piece:
                self._began = True
                return piece
        return b""

    def end(self) -> None:
        """The input is over. Raises Broken if it was cut."""
        if not self._inflate.eof:
            raise BrokenAnswer("the upstream's compressed answer is incomplete")

    def _decompress(self) -> bytes:
        try:
            return self._inflate.decompress(self._pending, _PIECE)
        except zlib.error as error:
            if self._began:
                raise BrokenAnswer("the upstream's compressed answer is damaged") from error
        self._began = True
        self._inflate = zlib.decompressobj(_BARE)
        return self._decompress()


def decoder_for(head: bytes) -> ContentDecoder | None:
    """What undoes the coding that a head declares; None for none, and for those that we do not know."""
    if head.find(b"ncoding") < 0 and head.find(b"NCODING") < 0:
        return None  # as most heads say, at a tenth of the search
    return ContentDecoder() if _CODED.search(head, 0, head.find(END) + 2) else None
