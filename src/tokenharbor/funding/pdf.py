"""Writes PDF files: the layout of a heading, the issuer, facts and tables.

Fonts: Helvetica, and STSong-Light for text with letters outside of Latin-1. Neither is embedded, so no font file is
shipped: PDF readers have both, or replace them.
"""

from typing import Any, BinaryIO, Final
from xml.sax.saxutils import escape

from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import LongTable, Paragraph, SimpleDocTemplate, Spacer

from tokenharbor.funding.printed import PrintedDocument, PrintedTable

_WESTERN: Final = "Helvetica"
_OTHER: Final = "STSong-Light"
_WIDEST: Final = 60


def write_pdf(printed: PrintedDocument, file: BinaryIO) -> None:
    """Write a printed document as PDF. The same document gives the same bytes."""
    pdfmetrics.registerFont(UnicodeCIDFont(_OTHER))
    document = SimpleDocTemplate(
        file, pagesize=A4, title=printed.title, author=printed.issuer.name, invariant=1, leftMargin=45, rightMargin=45
    )
    document.build(_story(printed), onFirstPage=_number, onLaterPages=_number)


def _story(printed: PrintedDocument) -> list[Any]:
    issuer = printed.issuer
    tax = f"Tax ID {issuer.tax_id}" if issuer.tax_id else ""
    lines = [issuer.name, *issuer.address.splitlines(), issuer.email, tax]
    story = [_text(line, 9) for line in lines if line]
    story += [Spacer(1, 14), _text(printed.title, 15), Spacer(1, 8)]
    story += [_text(f"{label}: {value}", 9) for label, value in printed.facts if value]
    for table in printed.tables:
        if table.rows:
            story += [Spacer(1, 14), _text(table.title, 11), Spacer(1, 4), _rows(table)]
    story.append(Spacer(1, 14))
    return story + [_text(note, 8) for note in printed.notes]


def _text(text: str, size: int) -> Any:
    style = ParagraphStyle("text", fontName=_font(text), fontSize=size, leading=size * 13 // 10)
    return Paragraph(escape(text), style)


def _rows(table: PrintedTable) -> Any:
    cells = [[_cell(cell) for cell in row] for row in (table.head, *table.rows)]
    others = [
        ("FONT", (column, line), (column, line), _OTHER, 8)
        for line, row in enumerate(cells)
        for column, cell in enumerate(row)
        if _font(cell) == _OTHER
    ]
    made = LongTable(cells, repeatRows=1, hAlign="LEFT")
    made.setStyle(
        [
            ("FONT", (0, 0), (-1, -1), _WESTERN, 8),
            ("ALIGN", (-table.numbers, 0), (-1, -1), "RIGHT"),
            ("LINEBELOW", (0, 0), (-1, 0), 1, (0, 0, 0)),
            ("TOPPADDING", (0, 0), (-1, -1), 1),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
            *others,
        ]
    )
    return made


def _cell(cell: object) -> str:
    """Return a cell's text on one line, cut to fit the page."""
    text = " ".join(str(cell).split())
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def _font(text: str) -> str:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return _OTHER
    return _WESTERN


def _number(canvas: Any, document: Any) -> None:
    canvas.setFont(_WESTERN, 8)
    canvas.drawRightString(document.pagesize[0] - 45, 30, f"Page {document.page}")
