"""Content codings: decompression, piece by piece, of answers that an upstream compressed although not asked to."""

import re
import zlib

from tokenharbor.http.head import END
from tokenharbor.http.message import BrokenAnswer

_CODED = re.compile(rb"\r\ncontent-encoding:[ \t]*(?:x-)?(?:gzip|deflate)[ \t]*\r\n", re.IGNORECASE)
_PIECE = 256 << 10  # output bytes per step, so that a small body cannot take much memory
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_BARE = -zlib.MAX_WBITS


class ContentDecoder:
    """A decoder of one body: gzip, zlib, or raw deflate, which some send as `deflate`."""

    __slots__ = ("_began", "_full", "_inflate", "_pending")

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._pending = b""
        self._began = False  # some output has come
        self._full = False  # the last piece had the full size: more output may come without more input

    def feed(self, data: bytes) -> None:
        self._pending += data

    def take(self) -> bytes:
        """Return the next bytes; b"" if more input is needed. Raises BrokenAnswer."""
        while self._pending or self._full:
            if self._inflate.eof:  # another gzip member follows
                self._inflate = zlib.decompressobj(_GZIP_OR_ZLIB)
            piece = self._decompress()
            self._pending = self._inflate.unconsumed_tail or self._inflate.unused_data
            self._full = len(piece) == _PIECE
            if piece:
                self._began = True
                return piece
        return b""

    def end(self) -> None:
        """End the input. Raises BrokenAnswer if it was cut."""
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
    """Return a decoder for the coding that a head declares; None if there is none, or an unknown one."""
    if head.find(b"ncoding") < 0 and head.find(b"NCODING") < 0:
        return None  # most heads; a tenth of the cost of the search
    return ContentDecoder() if _CODED.search(head, 0, head.find(END) + 2) else None
