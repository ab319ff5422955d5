"""The arguments of a batch: its rows as text, column by column, in the arrays that the database's functions take.

A row costs one piece of text for each value of its own. What it shares with others is written once in a batch, told
apart by the object, and brings its text with it. Salts and details go as one run of bytes with their sizes: nothing is
quoted. Decision 22 has what else was measured.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.payer import Payer
from tokenharbor.ledger.types import Hold, Product, Release, RequestEnd, Settlement

_MICROSECOND = timedelta(microseconds=1)


def hold_arguments(holds: Sequence[Hold], gateway_id: UUID) -> Sequence[Any]:
    """The arguments of `place_holds`."""
    *who, payers = _payers([hold.payer for hold in holds])
    return (
        *who,
        max([hold.at for hold in holds]),
        gateway_id,
        _array([hold.request_id.hex for hold in holds]),
        payers,
        _numbers([hold.amount for hold in holds]),
    )


def settlement_arguments(settlements: Sequence[Settlement]) -> Sequence[Any]:
    """The arguments of `end_requests` for requests that are billed."""
    beyond = [s for s in settlements if s.cost > s.bound]
    return (
        "usage",
        *_endings(settlements),
        _numbers([s.cost for s in settlements]),
        _numbers([s.fee for s in settlements]),
        _numbers([s.vendor_cost for s in settlements]),
        _numbers([s.bound for s in settlements]) if beyond else None,
    )


def release_arguments(releases: Sequence[Release]) -> Sequence[Any]:
    """The arguments of `end_requests` for requests that are not."""
    nothing = _array(["0"] * len(releases))
    return "loss", *_endings(releases), nothing, nothing, _numbers([r.loss for r in releases]), None


def _endings(rows: Sequence[RequestEnd]) -> Sequence[Any]:
    *who, payers = _payers([row.payer for row in rows])
    *what, products = _products([row.product for row in rows])
    at = max([row.at for row in rows])
    parts = [part for row in rows for part in (row.salt, row.detail)]
    return (
        *who,
        at,
        *what,
        _array([row.request_id.hex for row in rows]),
        payers,
        products,
        _numbers([0 if row.at is at else (at - row.at) // _MICROSECOND for row in rows]),
        _array([row.status for row in rows]),
        _numbers([len(part) for part in parts]),
        b"".join(parts),
    )


def _payers(payers: Sequence[Payer]) -> Sequence[str]:
    """The distinct accounts and keys, sorted; each payer's places there; each row's payer."""
    first = payers[0]
    if payers.count(first) == len(payers):
        return _array([first.account_hex]), _array([first.key_hex]), "{1}", "{1}", _array(["1"] * len(payers))
    distinct, places = _distinct(payers)
    accounts = sorted({payer.account_hex for payer in distinct})
    keys = sorted({payer.key_hex for payer in distinct})
    account_at = {account: str(place) for place, account in enumerate(accounts, 1)}
    key_at = {key: str(place) for place, key in enumerate(keys, 1)}
    return (
        _array(accounts),
        _array(keys),
        _array([account_at[payer.account_hex] for payer in distinct]),
        _array([key_at[payer.key_hex] for payer in distinct]),
        places,
    )


def _products(products: Sequence[Product]) -> Sequence[str]:
    """The distinct products, field by field, and each row's product."""
    distinct, places = _distinct(products)
    return *[_array(column) for column in zip(*[product.elements for product in distinct], strict=True)], places


Shared = TypeVar("Shared", Payer, Product)


def _distinct(shared: Sequence[Shared]) -> tuple[Sequence[Shared], str]:
    """The distinct objects, and each one's place among them, from 1."""
    found: dict[int, Shared] = dict(zip(map(id, shared), shared, strict=True))
    if len(found) == 1:
        return shared[:1], _array(["1"] * len(shared))
    places = {key: str(place) for place, key in enumerate(found, 1)}
    return list(found.values()), _array([places[id(each)] for each in shared])


def _array(elements: Sequence[str]) -> str:
    return "{" + ",".join(elements) + "}"


def _numbers(numbers: Sequence[int]) -> str:
    return "{" + ",".join(map(int.__repr__, numbers)) + "}"
