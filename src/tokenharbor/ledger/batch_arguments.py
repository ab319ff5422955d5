"""The arguments of a batch: its rows as text, column by column, in the arrays that the database's functions take.

Only values that differ from row to row are written per row. Values that rows share (payers, products) are written once
in a batch, told apart by object identity, and keep their text ready. Salts and details are concatenated into one byte
string with a list of sizes, so nothing is quoted. Decision 22 lists the alternatives that were measured.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.batch_payers import BatchPayers, batch_payers
from tokenharbor.ledger.types import Hold, Product, Release, RequestEnd, Settlement

_MICROSECOND = timedelta(microseconds=1)


def hold_arguments(holds: Sequence[Hold], gateway_id: UUID, payers: BatchPayers) -> Sequence[Any]:
    """Return the arguments of `place_holds`."""
    amounts, tokens = [hold.amount for hold in holds], [hold.tokens for hold in holds]
    frees = [hold.free_limit for hold in holds]
    return (
        *_payer_columns(payers),
        _array(payers.sums(amounts, tokens)),
        _array(payers.limits()) if payers.is_limited else None,
        None if payers.is_alike else _places(payers.owners()),
        max([hold.at for hold in holds]),
        gateway_id,
        _array([hold.request_id.hex for hold in holds]),
        _places(payers.rows),
        _numbers(amounts),
        _numbers(tokens),
        _numbers(frees) if any(frees) else None,
    )


def place_again_arguments(holds: Sequence[Hold], gateway_id: UUID) -> Sequence[Any]:
    """Return the arguments of `place_holds_again`."""
    return (
        sorted({hold.payer.account_id for hold in holds}),
        max([hold.at for hold in holds]),
        gateway_id,
        [hold.request_id for hold in holds],
        [hold.payer.account_id for hold in holds],
        [hold.payer.key_id for hold in holds],
        [hold.amount for hold in holds],
        [hold.tokens for hold in holds],
        [hold.free_limit > 0 for hold in holds],
    )


def settlement_arguments(settlements: Sequence[Settlement]) -> Sequence[Any]:
    """Return the arguments of `end_requests` for billed requests."""
    over_bound = [s for s in settlements if s.cost > s.bound]
    *ends, expiring = _end_columns(settlements)
    return (
        "usage",
        *ends,
        _numbers([s.cost for s in settlements]),
        _numbers([s.fee for s in settlements]),
        _numbers([s.vendor_cost for s in settlements]),
        _numbers([s.bound for s in settlements]) if over_bound else None,
        _numbers([s.tokens for s in settlements]),
        expiring,
    )


def release_arguments(releases: Sequence[Release]) -> Sequence[Any]:
    """Return the arguments of `release_requests`."""
    nothing = _array(["0"] * len(releases))
    *ends, expiring = _end_columns(releases)
    return "loss", *ends, nothing, nothing, _numbers([r.loss for r in releases]), None, None, expiring


def _end_columns(rows: Sequence[RequestEnd]) -> Sequence[Any]:
    payers = batch_payers([row.payer for row in rows])
    *product_columns, products, expiring = _products([row.product for row in rows])
    at = max([row.at for row in rows])
    parts = [part for row in rows for part in (row.salt, row.detail)]
    return (
        *_payer_columns(payers),
        at,
        *product_columns,
        _array([row.request_id.hex for row in rows]),
        _places(payers.rows),
        products,
        _numbers([0 if row.at is at else (at - row.at) // _MICROSECOND for row in rows]),
        _array([row.status for row in rows]),
        _numbers([len(part) for part in parts]),
        b"".join(parts),
        expiring,
    )


def _payer_columns(payers: BatchPayers) -> Sequence[str]:
    """Return the accounts, the keys, and each payer's place among both."""
    account_of = _places(payers.account_of)
    return (
        _array(payers.accounts),
        _array(payers.keys),
        account_of,
        account_of if payers.is_alike else _places(payers.key_of),
    )


def _products(products: Sequence[Product]) -> Sequence[str | None]:
    """Return the distinct products by field, each row's place among them, and whose metadata expires (None: none's)."""
    distinct, places = _distinct(products)
    columns = [_array(column) for column in zip(*[product.elements for product in distinct], strict=True)]
    expiring = [product.metadata_expires for product in distinct]
    return *columns, places, _array(["t" if each else "f" for each in expiring]) if True in expiring else None


def _distinct(products: Sequence[Product]) -> tuple[Sequence[Product], str]:
    """Return the distinct objects, and each object's place among them."""
    found = dict(zip(map(id, products), products, strict=True))
    if len(found) == 1:
        return products[:1], _places([0] * len(products))
    places = {key: place for place, key in enumerate(found)}
    return list(found.values()), _places([places[id(each)] for each in products])


def _array(elements: Sequence[str]) -> str:
    return "{" + ",".join(elements) + "}"


def _numbers(numbers: Sequence[int]) -> str:
    return "{" + ",".join(map(int.__repr__, numbers)) + "}"


def _places(places: Sequence[int]) -> str:
    """Return places, which count from 0, as PostgreSQL's, which count from 1."""
    return "{" + ",".join([str(place + 1) for place in places]) + "}"
