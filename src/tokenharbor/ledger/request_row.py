"""Comparison of a request's row with its entry and its detail, which the entry's digest covers."""

import msgspec

from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.chain import detail_digest, salted_version
from tokenharbor.ledger.pages import RequestEntry, StoredRequest


class _Served(msgspec.Struct):
    provider: str | None = None
    region: str = ""
    price_version: str = ""


class _Detail(msgspec.Struct):
    """The fields of a detail that are also columns of its row; None if the detail lacks one."""

    model: str | None = None
    status: str | None = None
    served: _Served | None = None
    key_id: UUID | None = None
    edition: str | None = None


_read = msgspec.json.Decoder(_Detail).decode


def charged_version(request: StoredRequest, entry: RequestEntry) -> bytes | None:
    """Return the price version that only the detail of a usage entry names. None if the entry names it itself, or the
    detail was erased. The row must have no fault.
    """
    if entry.provider or entry.type != "usage" or request.detail is None:
        return None
    return _served_version(request.detail)


def row_fault(request: StoredRequest, entry: RequestEntry | None) -> str | None:
    """Return which part of a request's row was changed, or None. `entry` is None if nothing was charged or lost."""
    if (request.salt is None) != (request.detail is None):
        return "the detail or its salt is missing"
    if entry is not None:
        if request.salt is not None and detail_digest(request.salt, request.detail or b"") != entry.detail_digest:
            return "the detail"
        if request.at != entry.at or entry.provider not in ("", request.provider):
            return "the time or the provider"
    if request.detail is None:
        return None
    return _difference(request, request.detail) or _version_fault(request, entry)


def _version_fault(request: StoredRequest, entry: RequestEntry | None) -> str | None:
    """Check that a usage entry without a provider's name has the detail's price version, salted with its salt."""
    if entry is None or entry.provider or entry.type != "usage":
        return None
    version = _served_version(request.detail or b"")
    if version is None or salted_version(request.salt or b"", version) == entry.price_version:
        return None
    return "the version of the price"


def _served_version(detail: bytes) -> bytes | None:
    served = _read(detail).served
    return None if served is None else bytes.fromhex(served.price_version)


def _difference(request: StoredRequest, text: bytes) -> str | None:
    try:
        detail = _read(text)
    except msgspec.DecodeError:
        return "the detail (invalid JSON)"
    served = detail.served or _Served()
    said = (detail.model, detail.status, detail.key_id, detail.edition, served.provider, served.region)
    row = (request.model, request.status, request.key_id, request.edition, request.provider, request.region)
    if said == row:
        return None
    stated = {
        "model": detail.model,
        "status": detail.status,
        "key_id": detail.key_id,
        "edition": detail.edition,
        "provider": served.provider,
        "region": None if detail.served is None else served.region,
    }
    return next((name for name, value in stated.items() if value not in (None, getattr(request, name))), None)
