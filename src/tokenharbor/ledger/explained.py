"""What a request's row says, compared with its entry and with its detail, which the entry's digest covers."""

import msgspec

from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.chain import detail_digest
from tokenharbor.ledger.entry import Entry
from tokenharbor.ledger.pages import StoredRequest


class _Served(msgspec.Struct):
    provider: str | None = None
    region: str = ""


class _Detail(msgspec.Struct):
    """What of a detail is in columns too. None: this detail does not say it."""

    model: str | None = None
    status: str | None = None
    served: _Served | None = None
    key_id: UUID | None = None
    edition: str | None = None


_read = msgspec.json.Decoder(_Detail).decode


def row_fault(request: StoredRequest, entry: Entry | None) -> str | None:
    """What of a request's row was changed, if anything. `entry` is None where nothing was charged or lost."""
    if (request.salt is None) != (request.detail is None):
        return "the detail or its salt is missing"
    if entry is not None:
        if request.salt is not None and detail_digest(request.salt, request.detail or b"") != entry.detail_digest:
            return "the detail"
        if (request.at, request.provider) != (entry.at, entry.provider):
            return "the time or the provider"
    return None if request.detail is None else _difference(request, request.detail)


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
