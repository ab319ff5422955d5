"""Receipts: what a request did and what it cost, derived from the books when it is read."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import asyncpg
import msgspec

from tokenharbor.billing.detail import RequestDetail, ServedBy, read_detail
from tokenharbor.billing.documents import ReceiptCandidate, RequestDocument
from tokenharbor.catalog.price import load_price
from tokenharbor.catalog.pricing import Rates
from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.kernel import ids
from tokenharbor.kernel.documents import plain_document
from tokenharbor.kernel.errors import Missing
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.ledger.history import RequestCharge, RequestFilter, RequestHistory, RequestRecord
from tokenharbor.ledger.types import Balance
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.orchestra.pins import WHY_WORDS, Why
from tokenharbor.routing.drops import DROP_WORDS, DropCode

_ON_THE_ROUTE = DropCode.COOLING, DropCode.BEHIND


class ReceiptProver(Protocol):
    """Proves and signs receipts."""

    async def receipt(self, past: RequestRecord) -> Mapping[str, Any]: ...


BeforeBalance = Callable[[asyncpg.Connection, UUID], Awaitable[None]]
"""Grants the credit that is due to an account before its balance is read."""


class Receipts:
    """Reads receipts and balances for callers. All methods raise BooksError."""

    def __init__(
        self, history: RequestHistory, pool: asyncpg.Pool, prover: ReceiptProver, before_balance: BeforeBalance
    ) -> None:
        self._history = history
        self._pool = pool
        self._prover = prover
        self._before_balance = before_balance

    async def balance(self, account_id: UUID, at: datetime) -> Balance:
        with as_database_unavailable():
            async with self._pool.acquire() as conn:
                await self._before_balance(conn, account_id)
                return await Wallets(conn).balance(account_id, at)

    async def receipt(self, account_id: UUID, request_id: UUID) -> Mapping[str, Any] | None:
        """Return the full receipt, proven and signed, or None if this account has no such request."""
        past = await self._history.request(account_id, request_id)
        return None if past is None else await self._prover.receipt(past)

    async def receipts(self, account_id: UUID, limit: int) -> Sequence[Mapping[str, Any]]:
        """Return the latest requests, newest first, without entry and proof, which only the full receipt has."""
        page = await self._history.requests(account_id, RequestFilter(most=limit))
        return [plain_document(RequestDocument.of(past, amount)) for past, amount in page.found]


async def read_receipt(history: RequestHistory, prover: ReceiptProver, request_id: UUID) -> Mapping[str, Any]:
    """Return the receipt of a request of any account, for operators. Raises Missing, DatabaseUnavailable."""
    owner = await history.owner(request_id)
    past = None if owner is None else await history.request(owner, request_id)
    if past is None:
        raise Missing(f"no request {ids.show('req', request_id)}")
    return await prover.receipt(past)


def write_receipt(past: RequestRecord) -> dict[str, Any]:
    """Return a receipt in JSON types: amounts in USD as decimal strings, times in UTC, durations in ms."""
    detail = None if past.detail is None else read_detail(past.detail)
    receipt: dict[str, Any] = plain_document(RequestDocument.of(past, past.charged.amount if past.charged else ZERO))
    if detail is not None:
        receipt |= _explained(detail)
    if past.charged is not None:
        receipt |= _booked(past.request_id, past.charged)
        if detail is not None and detail.served is not None:
            receipt["price"] = _priced(detail, detail.served, past.charged)
    return receipt


def _explained(detail: RequestDetail) -> dict[str, Any]:
    return {
        "dialect": detail.dialect,
        "upstream_model": detail.served.upstream_model if detail.served else None,
        "upstream_request_id": detail.upstream_id or None,
        "client_request_id": detail.client_request_id or None,
        "confidence": detail.confidence or None,
        "why": _why(detail.why),
        "why_code": detail.why or None,
        "first_content_ms": detail.first_ms,
        "attempts": [msgspec.structs.asdict(attempt) for attempt in detail.attempts],
        "not_asked": [plain_document(each) for each in _not_asked(detail)],
        "usage_quarantined": detail.quarantined,
        "delivered_bytes": detail.delivered_bytes,
        "max_output_capped": detail.max_output_capped,
        "left_out": detail.left_out,
        "refusal": detail.refusal or None,
        "hold_usd": str(Usd(detail.hold)),
    }


def _not_asked(detail: RequestDetail) -> Sequence[ReceiptCandidate]:
    """Return the candidates that were never asked: those asked in the end are among the attempts."""
    asked = {(attempt.provider, attempt.model) for attempt in detail.attempts}
    candidates = [_candidate(*each) for each in detail.not_asked]
    return [each for each in candidates if each.code not in _ON_THE_ROUTE or (each.provider, each.model) not in asked]


def _candidate(provider: str, code_value: str, field: str = "", model: str | None = None) -> ReceiptCandidate:
    code = DropCode(code_value)
    return ReceiptCandidate(provider, code, DROP_WORDS[code], field or None, model)


def _why(code: str) -> str | None:
    return WHY_WORDS[Why(code)] if code else None


def _booked(request_id: UUID, charged: RequestCharge) -> dict[str, Any]:
    return {
        "charged_at": charged.at,
        "model_usd": str(charged.amount - charged.fee),
        "service_fee_usd": str(charged.fee),
        "overrun_usd": str(charged.overrun),
        "entry": {
            "id": ids.show("ent", request_id),
            "seq": charged.seq,
            "chain_step": charged.step,
            "ordinal": charged.ordinal,
        },
        "position": {"from_usd": str(Usd(charged.position)), "to_usd": str(Usd(charged.position + charged.amount))},
        "lots": [
            {
                "id": ids.show("lot", drawn.lot_id),
                "pool": drawn.pool.value,
                "origin": drawn.origin,
                "amount_usd": str(drawn.amount),
            }
            for drawn in charged.lots
        ],
    }


def _priced(detail: RequestDetail, served: ServedBy, charged: RequestCharge) -> dict[str, Any]:
    """Return every component at the prices of the quote, unrounded: only the total is rounded up, once."""
    priced: dict[str, Any] = {"version": served.price_version, **msgspec.structs.asdict(served.terms)}
    if charged.price and detail.usage is not None:
        rates = Rates(load_price(charged.price.encode()), served.terms)
        priced["lines"] = [
            {"unit": line.unit, "count": line.count, "pico_usd_each": line.pico, "pico_usd": line.cost_pico}
            for line in rates.cost_lines(detail.usage, detail.started_at)
        ]
    return priced
