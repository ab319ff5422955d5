"""What an operator changes at one gateway is in force at all of them a second later, also after a lost LISTEN."""

import asyncio
import signal
from collections.abc import Callable
from typing import Any

import pytest
from tests.e2e.auditor import nano
from tests.e2e.fleet.gateways import Fleet
from tests.e2e.fleet.rush import Rush
from tests.e2e.raw_client import CHAT, ClientAnswer, ask, question, soon

pytestmark = pytest.mark.slow

PROMISED_SECONDS = 1


@pytest.fixture(params=[False, True], ids=["listening", "after a lost LISTEN"])
def lost_listen(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def _change(fleet: Fleet, change: Callable[[], Any], *, lost_listen: bool) -> None:
    """Made, perhaps where nobody is told of it."""
    if lost_listen:
        async with fleet.connected() as conn:
            ended = await conn.fetch(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'tokenharbor-listen' and datname = current_database()"
            )
        assert len(ended) == len(fleet.gateways)
    await asyncio.to_thread(change)


async def _ask_everywhere(fleet: Fleet, key: str, **more: Any) -> list[ClientAnswer]:
    return await asyncio.gather(*(ask(url, question(CHAT, key, **more)) for url in fleet.urls))


async def test_a_revoked_key_is_refused_everywhere_before_any_upstream_call(rush: Rush, *, lost_listen: bool) -> None:
    fleet = rush.fleet
    account = fleet.new_account()
    made = fleet.run("keys", "create", account)
    assert {one.how for one in await _ask_everywhere(fleet, made["key"])} == {"complete"}
    await _change(fleet, lambda: fleet.run("keys", "revoke", made["id"]), lost_listen=lost_listen)

    async def is_revoked() -> bool:
        return {one.status for one in await _ask_everywhere(fleet, made["key"])} == {401}

    await soon(is_revoked)
    served = len(rush.vendor.records)
    assert [one.status for one in await _ask_everywhere(fleet, made["key"])] == [401] * 3
    assert len(rush.vendor.records) == served


async def test_a_new_key_is_known_everywhere(rush: Rush, *, lost_listen: bool) -> None:
    fleet, keys = rush.fleet, list[str]()
    account = fleet.new_account()
    await _change(fleet, lambda: keys.append(fleet.new_key(account)), lost_listen=lost_listen)

    async def is_known() -> bool:
        return {one.how for one in await _ask_everywhere(fleet, keys[0])} == {"complete"}

    await soon(is_known)


async def test_a_rotated_credential_is_used_everywhere(rush: Rush, *, lost_listen: bool) -> None:
    fleet = rush.fleet
    key = fleet.new_key(fleet.new_account())
    for number in range(2):
        new = f"rotated-{number}-{lost_listen}"

        def rotate(new: str = new) -> None:
            for provider in ("one", "two"):
                fleet.run("providers", "set", provider, "--credential-stdin", stdin=new)

        async def is_used(new: str = new) -> bool:
            assert {one.how for one in await _ask_everywhere(fleet, key)} == {"complete"}
            return {record.credential for record in rush.vendor.records[-3:]} == {new}

        await _change(fleet, rotate, lost_listen=lost_listen)
        await soon(is_used)


async def test_a_changed_price_is_asked_everywhere(rush: Rush) -> None:
    """Prices stand in each gateway's file, and are read again at SIGHUP."""
    fleet = rush.fleet
    key = fleet.new_key(fleet.new_account())
    files = [gateway.home / "tokenharbor.toml" for gateway in fleet.gateways]
    usual = files[0].read_text()
    assert all(file.read_text() == usual for file in files)

    def reload(output_usd: str) -> None:
        for gateway, file in zip(fleet.gateways, files, strict=True):
            file.write_text(usual.replace('output = "2.5"', f'output = "{output_usd}"'))
            assert gateway.server is not None
            gateway.server.process.send_signal(signal.SIGHUP)

    [before] = {*await _quotes(rush, key)}

    async def is_dearer() -> bool:
        return min(await _quotes(rush, key)) > before

    async def is_as_before() -> bool:
        return {*await _quotes(rush, key)} == {before}

    reload("5.0")
    await soon(is_dearer)
    reload("2.5")
    await soon(is_as_before)


async def _quotes(rush: Rush, key: str) -> list[int]:
    dry = question(f"{CHAT}?dry_run=1", key, max_tokens=1000)
    answers = await asyncio.gather(*(ask(url, dry) for url in rush.fleet.urls))
    return [nano(one.json()["quote"]["amount_usd"]) for one in answers]


@pytest.mark.parametrize("owner", ["key", "account"])
async def test_a_changed_limit_holds_everywhere(rush: Rush, owner: str, *, lost_listen: bool) -> None:
    """Lowered to nothing more, and raised again: over all gateways together."""
    fleet = rush.fleet
    account = fleet.new_account()
    made = fleet.run("keys", "create", account)
    words = ("keys", "change", made["id"]) if owner == "key" else ("accounts", "limits", account)
    assert {one.how for one in await _ask_everywhere(fleet, made["key"])} == {"complete"}
    for limit, admitted in ((3, 0), (5, 2), (0, 3)):
        await _change(fleet, lambda limit=limit: fleet.run(*words, "--rpm", str(limit)), lost_listen=lost_listen)  # type: ignore[misc]
        await asyncio.sleep(PROMISED_SECONDS)  # to ask whether it is in force would count
        answers = await _ask_everywhere(fleet, made["key"])
        assert sum(one.how == "complete" for one in answers) == admitted, limit
        assert {one.status for one in answers if one.how != "complete"} <= {429}
