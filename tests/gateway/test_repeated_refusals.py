"""Refusals by requests a minute, repeated without reading the body or asking the database or a provider."""

import asyncio
from ipaddress import ip_network

import pytest
from tests.gateway.house import CHAT, House
from tests.gateway.raw import PATIENCE

from tokenharbor.identity.caller import StatedRates
from tokenharbor.identity.store import KeyRules
from tokenharbor.ledger.types import Hold, PlacedHold, RefusedHold

pytestmark = pytest.mark.asyncio(loop_scope="session")

ONE = KeyRules(rates=StatedRates(rpm=1))


async def exhaust(house: House, rules: KeyRules, headers: dict[str, str] | None = None) -> None:
    """A payer with one request a minute, who has had it and has been refused."""
    house.payer = await house.new_payer(rules=rules)
    assert [(await house.chat(headers=headers)).status for _ in range(2)] == [200, 429]


def holds_asked(house: House, monkeypatch: pytest.MonkeyPatch) -> list[Hold]:
    """What the database is asked from here on."""
    asked: list[Hold] = []
    batcher = house.parts.holds._batcher
    submit = batcher.submit

    def note(hold: Hold) -> asyncio.Future[PlacedHold | RefusedHold]:
        asked.append(hold)
        return submit(hold)

    monkeypatch.setattr(batcher, "submit", note)
    return asked


async def test_HUB_6_who_is_refused_is_told_again_without_the_database(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await exhaust(house, ONE)
    asked = holds_asked(house, monkeypatch)
    called = len(await house.seen())
    before = house.parts.metrics.text()
    heard = [await ask() for ask in (house.chat, house.message, house.respond) for _ in range(3)]
    assert {one.status for one in heard} == {429}
    assert len({one.headers["x-request-id"] for one in heard}) == 9
    assert all(1 <= int(one.headers["retry-after"]) <= 60 for one in heard)
    assert all(one.headers["x-ratelimit-remaining-requests"] == "0" for one in heard)
    assert asked == []
    assert len(await house.seen()) == called
    assert _refused(house.parts.metrics.text()) - _refused(before) == 9
    other = house.payer = await house.new_key(house.payer.account_id)
    assert (await house.chat()).status == 200, "another key of the account is another caller"
    assert [hold.payer.key_id for hold in asked] == [other.key_id]


async def test_the_body_of_who_is_refused_is_not_waited_for(house: House) -> None:
    await exhaust(house, ONE)
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(
        f"POST {CHAT} HTTP/1.1\r\nhost: h\r\nx-api-key: {house.payer.key}\r\ncontent-length: 30000000\r\n\r\n".encode()
    )
    async with asyncio.timeout(PATIENCE):
        assert (await reader.readline()).startswith(b"HTTP/1.1 429 ")
    writer.close()


async def test_what_holds_nothing_is_not_refused_with_what_does(house: House) -> None:
    await exhaust(house, ONE)
    body = {"model": "solo", "messages": [{"role": "user", "content": "hello"}]}
    assert (await house.post(f"{CHAT}?dry_run=1", body)).status == 200
    assert (await house.get("/v1/account/balance")).status == 200


@pytest.mark.usefixtures("behind_proxy")
async def test_an_address_that_the_key_does_not_allow_is_told_so(house: House) -> None:
    inside, outside = {"x-forwarded-for": "203.0.113.9"}, {"x-forwarded-for": "198.51.100.1"}
    await exhaust(house, KeyRules(rates=StatedRates(rpm=1), networks=(ip_network("203.0.113.0/24"),)), inside)
    assert (await house.chat(headers=inside)).status == 429
    assert (await house.chat(headers=outside)).status == 403


def _refused(metrics: bytes) -> int:
    line = b'tokenharbor_requests_total{model="",provider="",status="refused"} '
    return sum(int(float(each.removeprefix(line))) for each in metrics.splitlines() if each.startswith(line))
