"""Answers other than JSON documents: CSV written while it is read, and printed documents as PDF."""

import asyncio
import contextlib
import io
from collections.abc import AsyncGenerator, AsyncIterator

from litestar import Response
from litestar.response import Stream

from tokenharbor.console.context import ConsoleContext
from tokenharbor.console.exports import CsvLines
from tokenharbor.funding.printed import PrintedDocument
from tokenharbor.kernel.ids import UUID


async def stream_csv(context: ConsoleContext, account_id: UUID, lines: CsvLines, name: str) -> Stream:
    """Stream a CSV as a file of this name. A failure before the first line is answered as an error.

    Only a few run at once, so that slow readers cannot use up the connections that pages need. Raises RateLimited.
    """
    pieces = context.exports.pieces(context.heavy_pool, account_id, lines)
    first = await anext(pieces)
    return Stream(_with_first(first, pieces), media_type="text/csv; charset=utf-8", headers=_file(name))


def pdf_bytes(printed: PrintedDocument) -> bytes:
    """Render a printed document as PDF. Takes about 10 ms of CPU: call it in a thread."""
    from tokenharbor.funding.pdf import write_pdf  # noqa: PLC0415  reportlab takes 0.3 s to import

    file = io.BytesIO()
    write_pdf(printed, file)
    return file.getvalue()


async def answer_pdf(printed: PrintedDocument, name: str) -> Response[bytes]:
    """Answer with a printed document as a PDF file of this name."""
    content = await asyncio.to_thread(pdf_bytes, printed)
    return Response(content, media_type="application/pdf", headers=_file(name))


def _file(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}


async def _with_first(first: bytes, others: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    async with contextlib.aclosing(others):
        yield first
        async for piece in others:
            yield piece
