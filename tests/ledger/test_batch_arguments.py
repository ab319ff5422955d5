"""Batches as arguments: a batch is of one UTC day, and values that its rows share are sent once."""

from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from typing import Any

import pytest

from tokenharbor.kernel.errors import BooksRefused
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.payer import Payer
from tokenharbor.ledger.batch_arguments import hold_arguments, release_arguments
from tokenharbor.ledger.batch_payers import batch_payers
from tokenharbor.ledger.periods import by_day, day_end, month_end
from tokenharbor.ledger.types import Hold, Product, Release, SettledCharge, Settlement

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
A, B, K, L = (UUID(int=number) for number in (2, 1, 8, 9))


def _hold(account: UUID, key: UUID, at: datetime = NOON) -> Hold:
    return Hold(UUID(int=100), Payer(account, key), Usd(5), at)


def test_periods_end_at_utc_midnights() -> None:
    assert day_end(NOON) == datetime(2026, 12, 1, tzinfo=UTC)
    assert month_end(NOON) == datetime(2026, 12, 1, tzinfo=UTC)
    assert month_end(datetime(2026, 12, 31, 23, 59, tzinfo=UTC)) == datetime(2027, 1, 1, tzinfo=UTC)
    assert month_end(datetime(2027, 1, 30, tzinfo=UTC)) == datetime(2027, 2, 1, tzinfo=UTC)
    east = timezone(timedelta(hours=8))
    assert day_end(datetime(2026, 11, 30, 3, tzinfo=east)) == datetime(2026, 11, 30, tzinfo=UTC)


def test_a_batch_is_cut_at_midnight_and_keeps_its_order() -> None:
    first, second = _hold(A, K), _hold(B, L)
    late, last = _hold(A, K, NOON + timedelta(hours=12)), _hold(A, K, NOON + timedelta(hours=13))
    assert list(by_day([first, second])) == [[first, second]]
    assert list(by_day([first, second, late, last, first])) == [[first, second], [late, last], [first]]


def test_accounts_are_sorted_and_each_row_names_its_pair() -> None:
    holds = [_hold(A, L), _hold(B, K)]
    who = batch_payers([hold.payer for hold in holds])
    accounts, keys, wallet, meter, *rest = hold_arguments(holds, UUID(int=7), who)
    assert (accounts, keys) == (f"{{{B.hex},{A.hex}}}", f"{{{K.hex},{L.hex}}}")
    assert (wallet, meter, rest[6]) == ("{1,2}", "{1,2}", "{2,1}")
    assert rest[0] == "{1,5,0,1,5,0,1,5,0,1,5,0}"


def test_what_rows_share_is_sent_once_and_times_as_distances() -> None:
    payer, one, two = Payer(A, K), Product("m", "p", "e"), Product('"n\\', "p", "e")

    def release(product: Product, at: datetime) -> Release:
        return Release(UUID(int=100), payer, product, "failed", b"{}", b"s", at, Usd(3))

    rows = [release(one, NOON - timedelta(microseconds=7)), release(two, NOON), release(one, NOON)]
    arguments: Any = release_arguments(rows)
    assert arguments[1] == f"{{{A.hex}}}"
    assert arguments[6] == '{"m","\\"n\\\\"}'
    assert arguments[12:15] == ("{1,1,1}", "{1,2,1}", "{7,0,0}")
    assert arguments[16:18] == ("{1,2,1,2,1,2}", b"s{}" * 3)


async def test_every_value_arrives_as_it_was_sent(scene: Any) -> None:
    huge, odd = 2**62 + 1, 'a "quoted", {braced} \\back NULL é\n'
    await scene.credit(huge)
    products = [Product(odd, "NULL", "", '"', bytes(range(256))), Product("", "", "NULL", "\\", b"")]
    holds = [scene.hold(huge - 1), scene.hold(1)]
    await scene.place(*holds)
    salts, details = [bytes(range(256)), b""], [b"\\x00\x00{}\xff\"',", b""]
    at = scene.clock.now()
    ends = [
        Settlement(
            hold.request_id,
            hold.payer,
            product,
            "complete",
            detail,
            salt,
            at - timedelta(microseconds=row),
            hold.amount,
            Usd(row),
            Usd(2**53 + 1),
            hold.amount,
        )
        for row, (hold, product, salt, detail) in enumerate(zip(holds, products, salts, details, strict=True))
    ]
    assert await scene.settle(*ends) == [SettledCharge(end.cost, end.fee, Usd(0)) for end in ends]
    for end in ends:
        row = await scene.conn.fetchrow("select * from request where id = $1", end.request_id)
        assert (row["model"], row["provider"], row["edition"], row["region"]) == (
            end.product.model,
            end.product.provider,
            end.product.edition,
            end.product.region,
        )
        assert (row["salt"], row["detail"], row["at"], row["labels"]) == (end.salt, end.detail, end.at, "{}")
        entry = await scene.conn.fetchrow("select * from entry where id = $1", end.request_id)
        assert (entry["amount"], entry["vendor_cost"], entry["at"]) == (end.cost, end.vendor_cost, end.at)
        assert entry["price_version"] == end.product.price_version
        assert entry["detail_digest"] == sha256(end.salt + end.detail).digest()


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
async def test_a_text_that_postgresql_cannot_hold_refuses_its_row_alone(scene: Any, text: str) -> None:
    await scene.credit(100)
    good, bad = scene.hold(10), scene.hold(10)
    await scene.place(good, bad)
    product = Product(text, "p", "e")
    settled, refused = await scene.settle(scene.settlement(good, 5), scene.settlement(bad, 5, product=product))
    assert settled == SettledCharge(Usd(5), Usd(0), Usd(0))
    assert isinstance(refused, BooksRefused)
