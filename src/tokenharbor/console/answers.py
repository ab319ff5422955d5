"""Answers that are no documents: CSV that is written as it is read, and papers as PDF."""

import asyncio
import contextlib
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable

import asyncpg
from litestar import Response
from litestar.response import Stream

from tokenharbor.console.context import ConsoleContext
from tokenharbor.funding.paper import Paper
from tokenharbor.kernel.errors import RateLimited

_PIECE = 64 << 10

CsvLines = Callable[[asyncpg.Connection], AsyncGenerator[str]]
"""Reads the lines of a CSV by a connection, the header first."""


async def stream_csv(context: ConsoleContext, lines: CsvLines, name: str) -> Stream:
    """A CSV as a file of this name, in pieces. What fails before the first line is answered as an error. Only few are
    written at a time: whoever reads slowly takes no connection from pages. Raises RateLimited.
    """
    if context.exports.locked():
        raise RateLimited("Other exports are being written: try again shortly.", retry_after=5)
    pieces = _pieces(context, lines)
    first = await anext(pieces)
    return Stream(_with_first(first, pieces), media_type="text/csv; charset=utf-8", headers=_file(name))


def pdf_bytes(paper: Paper) -> bytes:
    """It takes some 10 ms of CPU: for a thread."""
    from tokenharbor.funding.pdf import write_pdf  # noqa: PLC0415  reportlab takes 0.3 s to import

    file = io.BytesIO()
    write_pdf(paper, file)
    return file.getvalue()


async def answer_pdf(paper: Paper, name: str) -> Response[bytes]:
    """A paper as a file of this name."""
    content = await asyncio.to_thread(pdf_bytes, paper)
    return Response(content, media_type="application/pdf", headers=_file(name))


def _file(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}


async def _pieces(context: ConsoleContext, lines: CsvLines) -> AsyncGenerator[bytes]:
    """The connection is held until all is read, or whoever reads has gone."""
    async with context.exports, context.heavy_pool.acquire() as conn, contextlib.aclosing(lines(conn)) as each:
        held: list[str] = []
        size = 0
        async for line in each:
            held.append(line)
            size += len(line)
            if size >= _PIECE:
                yield "".join(held).encode()
                held, size = [], 0
        yield "".join(held).encode()


async def _with_first(first: bytes, others: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    async with contextlib.aclosing(others):
        yield first
        async for piece in others:
            yield piece
