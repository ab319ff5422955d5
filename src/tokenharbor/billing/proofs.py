"""Proven receipts: the receipt, the data that its entry's digest covers, the path to a signed root, our signature."""

import contextlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import msgspec

from tokenharbor.billing.receipts import write_receipt
from tokenharbor.billing.roots import write_cut, write_entry, write_root
from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.errors import DatabaseUnavailable
from tokenharbor.kernel.signing import ALGORITHM, MessageSigner
from tokenharbor.ledger.chain import entry_digest
from tokenharbor.ledger.entry import Entry
from tokenharbor.ledger.history import RequestRecord
from tokenharbor.ledger.proofs import Proof, prove
from tokenharbor.ledger.roots import Root, split_path
from tokenharbor.ledger.sign import last_root

SIGNED_EVERY = timedelta(minutes=10)
"""How often a running server signs a root over new entries."""

FORMAT = 1
_PREFIX = b"tokenharbor receipt v1\0"
_REMEMBERED_SECONDS = 10


def receipt_bytes(receipt: Mapping[str, Any]) -> bytes:
    """Return the bytes that are signed: the receipt without its signature's value, as compact JSON with sorted keys."""
    signature = {name: value for name, value in receipt["signature"].items() if name != "value"}
    return _PREFIX + msgspec.json.encode({**receipt, "signature": signature}, order="sorted")


class Prover:
    """Proves and signs receipts when they are read."""

    def __init__(self, pool: asyncpg.Pool, signer: MessageSigner, clock: Clock) -> None:
        self._pool = pool
        self._signer = signer
        self._clock = clock
        self._latest: Root | None = None
        self._seen_seconds: float | None = None

    async def receipt(self, past: RequestRecord) -> dict[str, Any]:
        """Return a signed receipt in JSON types. Raises DatabaseUnavailable."""
        now = self._clock.now()
        entry = None if past.charged is None else past.entry
        detail = None if past.detail is None else past.detail.decode()
        receipt = write_receipt(past) | {
            "detail": "expired" if detail is None else detail,
            "salt": None if past.salt is None or detail is None else past.salt.hex(),
            "proof": {"status": "none"} if entry is None else _proof(entry, await prove(self._pool, entry), now),
            "signature": {"algorithm": ALGORITHM, "key_id": self._signer.key_id, "format": FORMAT, "signed_at": now},
        }
        document: dict[str, Any] = msgspec.to_builtins(receipt)
        document["signature"]["value"] = self._signer.sign(receipt_bytes(document)).hex()
        return document

    async def published(self) -> bytes:
        """Return the public key and the latest root as public JSON. While the database is unavailable, it is the root
        last seen.
        """
        now = self._clock.monotonic()
        if self._seen_seconds is None or now - self._seen_seconds > _REMEMBERED_SECONDS:
            self._seen_seconds = now
            with contextlib.suppress(DatabaseUnavailable):
                self._latest = await last_root(self._pool)
        root = self._latest
        document = {
            "format": FORMAT,
            "algorithm": ALGORITHM,
            "keys": [{"id": self._signer.key_id, "public_key": self._signer.public_key.hex()}],
            "roots": [] if root is None else [write_root(root)],
            "receipt_prefix": _PREFIX.decode(),
        }
        return msgspec.json.encode(document)


def _proof(entry: Entry, proof: Proof | None, now: datetime) -> dict[str, Any]:
    known = {"entry": write_entry(entry), "entry_digest": entry_digest(entry).hex()}
    if proof is None:
        return {"status": "pending", "expected_by": now + SIGNED_EVERY, **known}
    above = tuple(each.hex() for each in split_path(proof.cut.path))
    return {
        "status": "signed",
        **known,
        "path": [each.hex() for each in proof.path],
        "cut": write_cut(proof.cut, above),
        "root": write_root(proof.root),
    }
