"""Receipts as they are read: proven by a signed root, signed by us, and rejected by the check if changed."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gateway.house import House

from tokenharbor.app.secrets import receipt_signer
from tokenharbor.billing.check import check_receipt, read_keys
from tokenharbor.billing.proofs import receipt_bytes
from tokenharbor.kernel.signing import is_signed
from tokenharbor.ledger.sign import SQL, roots, sign_books
from tokenharbor.ledger.verify import TrustAnchors, verify

pytestmark = pytest.mark.asyncio(loop_scope="session")

WELL_KNOWN = "/.well-known/tokenharbor-receipts.json"


async def keys_of(house: House) -> dict[str, bytes]:
    said = await house.get(WELL_KNOWN)
    return read_keys(said.body, "the well-known file")


async def sign(house: House) -> None:
    async with house.harbor.pool.acquire() as conn:
        signed = await sign_books(conn, house.harbor.context.world, receipt_signer(house.harbor.context.root))
    assert signed.faults == []


@asynccontextmanager
async def nobody_signs(house: House) -> AsyncIterator[None]:
    """The job of each minute skips its turn."""
    async with house.harbor.pool.acquire() as conn:
        await conn.execute(SQL.lock)
        yield
        await conn.execute(SQL.unlock)


async def signed_receipt(house: House) -> Any:
    """The receipt of the middle one of five requests, once a root covers it."""
    answers = [await house.chat() for _ in range(5)]
    await sign(house)
    return await house.receipt(answers[2].headers["x-request-id"])


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, (dict, list)) and value:
        for name, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(each, (*path, name))
    else:
        yield path


def with_leaf(document: Any, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    copy = json.loads(json.dumps(document))
    *way, last = path
    inner = copy
    for name in way:
        inner = inner[name]
    inner[last] = change(inner[last])
    return copy


def another(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str) and value:
        return value[:-1] + ("1" if value[-1] == "0" else "0")
    return "x"


def dumped(document: Any) -> bytes:
    return json.dumps(document).encode()


async def test_F8_a_receipt_is_signed_and_proven_by_a_root(house: House) -> None:
    receipt, keys = await signed_receipt(house), await keys_of(house)
    verdict = check_receipt(dumped(receipt), keys)
    assert (verdict.fault, len(verdict.proven)) == (None, 4)
    assert receipt["proof"]["status"] == "signed"
    assert json.loads(receipt["detail"])["key_id"] == str(house.payer.key_id)
    (key_id,) = keys
    value = bytes.fromhex(receipt["signature"]["value"])
    assert is_signed(keys[key_id], value, receipt_bytes(receipt))


async def test_F8_a_receipt_before_its_root_says_so_and_is_signed(house: House) -> None:
    async with nobody_signs(house):
        answer = await house.chat()
        receipt = await house.receipt(answer.headers["x-request-id"])
    assert (receipt["proof"]["status"], "expected_by" in receipt["proof"]) == ("pending", True)
    verdict = check_receipt(dumped(receipt), await keys_of(house))
    assert verdict.fault is None
    assert any("no signed root" in each for each in verdict.not_proven)


async def test_F8_a_receipt_whose_detail_has_expired_proves_the_money(house: House) -> None:
    receipt = await signed_receipt(house)
    await house.harbor.pool.execute(
        "update request set detail = null, salt = null where account_id = $1", house.payer.account_id
    )
    bare = await house.receipt(receipt["id"])
    assert (bare["detail"], bare["salt"], bare["proof"]) == ("expired", None, receipt["proof"])
    assert check_receipt(dumped(bare), await keys_of(house)).fault is None


async def test_a_receipt_of_what_was_not_charged_has_no_entry_to_prove(house: House) -> None:
    house.fail('kind = "status", status = 500')
    answer = await house.chat()
    assert answer.status == 502
    receipt = await house.receipt(answer.headers["x-request-id"])
    assert receipt["proof"] == {"status": "none"}
    verdict = check_receipt(dumped(receipt), await keys_of(house))
    assert (verdict.fault, verdict.proven[1]) == (None, "the issuer states that nothing was charged")


async def test_F8_any_change_of_any_field_of_a_receipt_fails(house: House) -> None:
    receipt, keys = await signed_receipt(house), await keys_of(house)
    passed = [
        path for path in leaves(receipt) if check_receipt(dumped(with_leaf(receipt, path, another)), keys).fault is None
    ]
    assert passed == []
    missing = [
        name
        for name in receipt
        if check_receipt(dumped({k: v for k, v in receipt.items() if k != name}), keys).fault is None
    ]
    assert missing == []


async def test_F8_one_changed_byte_of_a_receipt_fails(house: House) -> None:
    receipt, keys = await signed_receipt(house), await keys_of(house)
    text = json.dumps(receipt, ensure_ascii=False, separators=(",", ":")).encode()

    @given(st.integers(0, len(text) - 1), st.integers(1, 255))
    def try_one(place: int, mask: int) -> None:
        changed = bytearray(text)
        changed[place] ^= mask
        assert check_receipt(bytes(changed), keys).fault is not None

    try_one()


MONEY = [
    ("cost_usd",),
    ("model_usd",),
    ("service_fee_usd",),
    ("overrun_usd",),
    ("position", "to_usd"),
    ("price", "version"),
    ("usage", "input"),
    ("model",),
    ("provider",),
    ("detail",),
    ("salt",),
    ("id",),
    ("charged_at",),
    ("proof", "entry_digest"),
    *[("proof", "entry", name) for name in ("seq", "amount_usd", "vendor_cost_usd", "at", "provider", "detail_digest")],
    ("proof", "path", 0),
    *[("proof", "cut", name) for name in ("to_seq", "chain", "line", "spent_usd", "place", "chain_step")],
    *[("proof", "root", name) for name in ("number", "tree", "previous", "made_at", "signature")],
]


async def test_F8_a_receipt_that_we_sign_ourselves_and_that_lies_fails(house: House) -> None:
    """The signature is right; what is stated does not follow from what is proven."""
    receipt, keys = await signed_receipt(house), await keys_of(house)
    signer = receipt_signer(house.harbor.context.root)

    def signed_anew(document: Any) -> bytes:
        document["signature"]["value"] = signer.sign(receipt_bytes(document)).hex()
        return dumped(document)

    assert check_receipt(signed_anew(json.loads(json.dumps(receipt))), keys).fault is None
    passed = [
        path for path in MONEY if check_receipt(signed_anew(with_leaf(receipt, path, another)), keys).fault is None
    ]
    assert passed == []


async def test_a_file_that_is_no_receipt_is_not_valid(house: House) -> None:
    receipt, keys = await signed_receipt(house), await keys_of(house)
    twice = dumped(receipt)[:-1] + b', "cost_usd": "' + receipt["cost_usd"].encode() + b'"}'
    deep = b'{"proof":' * 5000 + b"1" + b"}" * 5000
    for text in (
        b"",
        b"[]",
        b"{}",
        b"null",
        b"\xff",
        b'{"signature": 5}',
        b'{"a": 1.5}',
        twice,
        deep,
        dumped(receipt)[:-1],
    ):
        assert check_receipt(text, keys).fault is not None, text[:40]
    (key_id,) = keys
    assert key_id in (check_receipt(dumped(receipt), {}).fault or "")
    assert check_receipt(dumped(receipt), {key_id: bytes(32)}).fault is not None
    assert check_receipt(dumped(receipt), {key_id: b"short"}).fault is not None


async def test_the_public_key_and_the_latest_root_are_published(house: House) -> None:
    await signed_receipt(house)
    said = await house.get(WELL_KNOWN, {"authorization": ""})
    assert said.status == 200
    assert said.headers["content-type"] == "application/json"
    assert said.headers["cache-control"].startswith("public, max-age=")
    document = said.json()
    assert (document["algorithm"], document["format"], len(document["keys"])) == ("ed25519", 1, 1)
    async with house.harbor.pool.acquire() as conn:
        assert {root["number"] for root in document["roots"]} <= {root.number async for root in roots(conn)}


async def test_books_of_a_running_gateway_verify_against_their_roots(house: House) -> None:
    await signed_receipt(house)
    signer = receipt_signer(house.harbor.context.root)
    async with house.harbor.pool.acquire() as conn:
        kept = [root async for root in roots(conn)]
        trust = TrustAnchors({signer.key_id: signer.public_key}, kept)
        assert (await verify(conn, [house.payer.account_id], trust)).fault is None
