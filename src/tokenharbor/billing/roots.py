"""Entries, cuts and roots as JSON: digests in hex, amounts in USD, ids and times as receipts show them."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.entry import Entry, EntryType
from tokenharbor.ledger.roots import Cut, Root

_HEX = re.compile(r"([0-9a-f]{2})*")


class RootText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signed root."""

    number: int
    made_at: datetime
    cuts: int
    entries: int
    previous: str
    tree: str
    key_id: str
    signature: str


class CutText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cut, the leaf of a root, with its place and path in the tree."""

    account_id: str
    from_seq: int
    to_seq: int
    chain_step: int
    spent_usd: str
    chain: str
    line: str
    tree: str
    place: int
    path: tuple[str, ...]


class EntryText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All fields that an entry's digest covers."""

    type: EntryType
    provider: str
    reference: str
    id: str
    account_id: str
    seq: int
    position_usd: str
    amount_usd: str
    service_fee_usd: str
    vendor_cost_usd: str
    overrun_usd: str
    at: datetime
    detail_digest: str
    price_version: str


def write_root(root: Root) -> RootText:
    return RootText(
        root.number,
        root.made_at,
        root.cuts,
        root.entries,
        root.previous.hex(),
        root.tree.hex(),
        root.key_id,
        root.signature.hex(),
    )


def read_root_text(text: RootText) -> Root:
    """Read a root. Raises ValueError."""
    return Root(
        text.number,
        text.made_at,
        text.cuts,
        text.entries,
        read_hex(text.previous),
        read_hex(text.tree),
        text.key_id,
        read_hex(text.signature),
    )


def write_cut(cut: Cut, path: tuple[str, ...]) -> CutText:
    return CutText(
        ids.show("acct", cut.account_id),
        cut.from_seq,
        cut.to_seq,
        cut.step,
        str(Usd(cut.spent)),
        cut.chain.hex(),
        cut.line.hex(),
        cut.tree.hex(),
        cut.place,
        path,
    )


def read_cut_text(text: CutText) -> Cut:
    """Read a cut. Raises ValueError."""
    return Cut(
        ids.parse("acct", text.account_id),
        text.from_seq,
        text.to_seq,
        text.chain_step,
        Usd.parse(text.spent_usd),
        read_hex(text.chain),
        read_hex(text.line),
        read_hex(text.tree),
        place=text.place,
        path=b"".join(map(read_hex, text.path)),
    )


def write_entry(entry: Entry) -> EntryText:
    return EntryText(
        entry.type,
        entry.provider,
        entry.reference,
        ids.show("ent", entry.id),
        ids.show("acct", entry.account_id),
        entry.seq,
        str(Usd(entry.pos)),
        str(entry.amount),
        str(entry.fee),
        str(entry.vendor_cost),
        str(entry.over),
        entry.at,
        entry.detail_digest.hex(),
        entry.price_version.hex(),
    )


def read_entry_text(text: EntryText) -> Entry:
    """Read an entry. Raises ValueError."""
    return Entry(
        id=ids.parse("ent", text.id),
        account_id=ids.parse("acct", text.account_id),
        at=text.at,
        type=text.type,
        detail_digest=read_hex(text.detail_digest),
        seq=text.seq,
        pos=Usd.parse(text.position_usd),
        amount=Usd.parse(text.amount_usd),
        fee=Usd.parse(text.service_fee_usd),
        vendor_cost=Usd.parse(text.vendor_cost_usd),
        over=Usd.parse(text.overrun_usd),
        provider=text.provider,
        price_version=read_hex(text.price_version),
        reference=text.reference,
    )


def read_hex(text: str) -> bytes:
    """Read hexadecimal, in lower case only, so that no value has two spellings. Raises ValueError."""
    if _HEX.fullmatch(text) is None:
        raise ValueError(f"not lower-case hexadecimal: {text[:70]!r}")
    return bytes.fromhex(text)


Text = TypeVar("Text", RootText, CutText, EntryText)


def read_text(value: Any, kind: type[Text]) -> Text:
    """Read a part of a document. Raises ValueError if any value is not in canonical form."""
    text = msgspec.convert(value, kind)
    if msgspec.json.decode(msgspec.json.encode(text)) != value:
        raise ValueError("a number or a time is not in the format of a receipt")
    return text


def read_kept(content: bytes, where: str) -> list[Root]:
    """Read the roots of an exported file. Raises Misconfigured."""
    return list(_kept(content, where))


def _kept(content: bytes, where: str) -> Iterator[Root]:
    for number, line in enumerate(content.splitlines(), 1):
        if line.strip():
            try:
                yield read_root_text(read_text(msgspec.json.decode(line), RootText))
            except (ValueError, msgspec.MsgspecError) as error:
                raise Misconfigured(f"{where}: line {number} is not a valid signed root: {error}") from None
