"""The offline check of a receipt, without a server or a database."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import msgspec

from tokenharbor.billing.proofs import FORMAT, receipt_bytes
from tokenharbor.billing.roots import (
    CutText,
    EntryText,
    RootText,
    read_cut_text,
    read_entry_text,
    read_hex,
    read_root_text,
    read_text,
)
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.signing import ALGORITHM, is_signed
from tokenharbor.ledger.chain import entry_digest, salted_version
from tokenharbor.ledger.entry import Entry
from tokenharbor.ledger.merkle import root_from_path
from tokenharbor.ledger.roots import is_in_root, is_signed_root

_OF_DETAIL = ("model", "status", "started_at", "stream", "cache", "usage_source", "total_ms")


class ReceiptError(ValueError):
    """A fault in a receipt, described in one line."""


@dataclass(slots=True)
class ReceiptCheck:
    """The result of a check: statements that are proven and not proven, and the fault that was found, if any."""

    id: str = ""
    proven: list[str] = field(default_factory=list)
    not_proven: list[str] = field(default_factory=list)
    fault: str | None = None


def check_receipt(text: bytes, keys: Mapping[str, bytes]) -> ReceiptCheck:
    """Check a receipt with public keys by id."""
    verdict = ReceiptCheck()
    try:
        receipt = _read(text)
        verdict.id = str(receipt.get("id", ""))
        _check_signature(receipt, keys, verdict)
        _check_proof(receipt, keys, verdict)
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        OverflowError,
        RecursionError,
        msgspec.MsgspecError,
    ) as error:
        missing = f"missing field {error}" if isinstance(error, KeyError) else str(error)
        verdict.fault = missing or type(error).__name__
    return verdict


def read_keys(content: bytes, where: str) -> dict[str, bytes]:
    """Read the public keys in a saved `/.well-known/tokenharbor-receipts.json`. Raises Misconfigured."""
    try:
        document = json.loads(content)
        kind = document["format"], document["algorithm"]
        keys = {key["id"]: read_hex(key["public_key"]) for key in document["keys"]}
    except (ValueError, TypeError, KeyError) as error:
        raise Misconfigured(f"{where}: not a valid list of public keys: {error}") from None
    if kind != (FORMAT, ALGORITHM):
        raise Misconfigured(f"{where}: unknown format or algorithm: use a newer version of this program")
    return keys


def _read(text: bytes) -> dict[str, Any]:
    """Read a receipt's JSON. Raises ReceiptError for repeated names and for numbers that are not integers."""

    def distinct(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                raise ReceiptError(f"the field {name!r} is repeated")
            found[name] = value
        return found

    def whole(number: str) -> Any:
        raise ReceiptError(f"the number {number} is not an integer")

    receipt = json.loads(text, object_pairs_hook=distinct, parse_float=whole, parse_constant=whole)
    if not isinstance(receipt, dict):
        raise ReceiptError("a receipt must be a JSON object")
    return receipt


def _check_signature(receipt: Mapping[str, Any], keys: Mapping[str, bytes], verdict: ReceiptCheck) -> None:
    signature = receipt["signature"]
    if (signature["algorithm"], signature["format"]) != (ALGORITHM, FORMAT):
        raise ReceiptError("unknown format or algorithm of the signature: use a newer version of this program")
    key = keys.get(signature["key_id"])
    if key is None:
        raise ReceiptError(f"signed by the key {signature['key_id']!r}, which is not in the list of public keys")
    if not is_signed(key, read_hex(signature["value"]), receipt_bytes(receipt)):
        raise ReceiptError("invalid signature: the receipt was changed, or another key signed it")
    verdict.proven.append(f"the owner of key {signature['key_id']} issued this receipt at {signature['signed_at']}")


def _check_proof(receipt: Mapping[str, Any], keys: Mapping[str, bytes], verdict: ReceiptCheck) -> None:
    proof = receipt["proof"]
    if proof["status"] == "none":
        _check_nothing_charged(receipt, verdict)
        return
    entry = read_entry_text(read_text(proof["entry"], EntryText))
    if entry_digest(entry).hex() != proof["entry_digest"]:
        raise ReceiptError("the digest of the entry does not match the stated digest")
    _compare(receipt, _booked(entry, proof["entry"]), "the entry")
    verdict.proven.append(f"account {proof['entry']['account_id']} was charged {entry.amount} USD by entry {entry.seq}")
    _check_detail(receipt, entry, verdict)
    if proof["status"] == "signed":
        _check_path(proof, entry, keys, verdict)
    elif proof["status"] == "pending":
        verdict.not_proven.append(f"no signed root covers the entry yet: one is due by {proof['expected_by']}")
    else:
        raise ReceiptError(f"the status of a proof must be signed, pending or none, not {proof['status']!r}")
    verdict.not_proven += [
        "lots, key and price lines, beyond the issuer's signature",
        "that the provider's counts are right, and that no later entry reverses this one",
    ]


def _check_nothing_charged(receipt: Mapping[str, Any], verdict: ReceiptCheck) -> None:
    if Usd.parse(receipt["cost_usd"]):
        raise ReceiptError("a charge has no entry")
    verdict.proven.append("the issuer states that nothing was charged")
    verdict.not_proven.append("that no entry exists: a request that was not charged has no proof")


def _booked(entry: Entry, text: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the receipt's fields of money, as they follow from the entry."""
    return {
        "id": ids.show("req", entry.id),
        "cost_usd": str(entry.amount),
        "model_usd": str(entry.amount - entry.fee),
        "service_fee_usd": str(entry.fee),
        "overrun_usd": str(entry.over),
        "charged_at": text["at"],
        "position": {"from_usd": str(Usd(entry.pos)), "to_usd": str(Usd(entry.pos + entry.amount))},
        "currency": "USD",
    }


def _compare(receipt: Mapping[str, Any], due: Mapping[str, Any], source: str) -> None:
    for name, value in due.items():
        if receipt.get(name) != value:
            raise ReceiptError(f"{name} is {receipt.get(name)!r}, but by {source} it is {value!r}")


def _check_detail(receipt: Mapping[str, Any], entry: Entry, verdict: ReceiptCheck) -> None:
    stated = receipt["entry"]
    if (stated["id"], stated["seq"]) != (ids.show("ent", entry.id), entry.seq):
        raise ReceiptError("the entry differs from the entry of the proof")
    text = receipt["detail"]
    if text == "expired":
        verdict.not_proven.append("model, provider, counts and times: the detail has expired")
        return
    if sha256(read_hex(receipt["salt"]) + text.encode()).digest() != entry.detail_digest:
        raise ReceiptError("the digest of the detail does not match the digest in the entry")
    detail = json.loads(text)
    due = {name: detail[name] for name in _OF_DETAIL if name in detail}
    served = detail.get("served") or {}
    _compare(receipt, {**due, "model_asked": detail["asked"], "provider": served.get("provider")}, "the detail")
    usage = {name: count for name, count in (receipt["usage"] or {}).items() if count}
    if usage != (detail.get("usage") or {}):
        raise ReceiptError("the usage differs from the detail")
    if served:
        _check_price(receipt, entry)
    verdict.proven.append(f"it was for {receipt['model']} at {receipt['provider']}, counted as the detail says")


def _check_price(receipt: Mapping[str, Any], entry: Entry) -> None:
    """Compare the price's version with the entry, which has it salted if it names no provider."""
    version: str = receipt["price"]["version"]
    stated = version if entry.provider else salted_version(read_hex(receipt["salt"]), read_hex(version)).hex()
    if stated != entry.price_version.hex():
        raise ReceiptError("the price differs from the price in the entry")


def _check_path(proof: Mapping[str, Any], entry: Entry, keys: Mapping[str, bytes], verdict: ReceiptCheck) -> None:
    cut = read_cut_text(read_text(proof["cut"], CutText))
    root = read_root_text(read_text(proof["root"], RootText))
    path = [read_hex(each) for each in proof["path"]]
    if cut.account_id != entry.account_id:
        raise ReceiptError("the cut belongs to another account")
    if root_from_path(entry_digest(entry), entry.seq - cut.from_seq, cut.size, path) != cut.tree:
        raise ReceiptError("the proof path from the entry to its cut is wrong")
    if not is_in_root(cut, root):
        raise ReceiptError("the proof path from the cut to the root is wrong")
    if not is_signed_root(root, keys):
        raise ReceiptError("invalid signature of the root")
    made = proof["root"]["made_at"]
    verdict.proven.append(f"signed root {root.number} of {made} covers the entry: compare it with one you kept")
