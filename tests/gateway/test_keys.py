"""The rules of a key: its models, providers and networks, until it expires or is revoked."""

import asyncio
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import pytest
from tests.gateway.house import CHAT, HELLO, MESSAGES, House
from tests.gateway.raw import PATIENCE, RawAnswer, read_answer

from tokenharbor.identity import store
from tokenharbor.identity.store import KeyRules

pytestmark = pytest.mark.asyncio(loop_scope="session")

FAR = {"x_forwarded_for": "192.0.2.7"}
BOTH = pytest.mark.parametrize("path", [CHAT, MESSAGES], ids=["chat", "messages"])


async def use_key(house: House, **rules: Any) -> None:
    """From here on the payer's key is one with these rules."""
    house.payer = await house.new_key(house.payer.account_id, KeyRules(**rules))


async def ask(house: House, path: str, model: str = "solo", **headers: str) -> RawAnswer:
    body = {"model": model, "messages": HELLO, "max_tokens": 50}
    return await house.post(path, body, {name.replace("_", "-"): value for name, value in headers.items()})


async def revoke(house: House) -> None:
    async with house.harbor.pool.acquire() as conn:
        await store.revoke_key(conn, house.payer.key_id, house.parts.world.clock.now())


async def until_refused(house: House, path: str) -> None:
    """Which takes no second; the tests of the ring look at its period, since here the machine may be busy."""
    async with asyncio.timeout(PATIENCE):
        while (await ask(house, path)).status != 401:  # noqa: ASYNC110  it is asked, it does not tell
            await asyncio.sleep(0.01)


def check_denied(said: RawAnswer) -> None:
    assert (said.status, said.error["code"], said.error["type"]) == (403, "permission_denied", "permission_error")
    assert said.headers["x-should-retry"] == "false"


@BOTH
async def test_a_new_key_is_taken_at_once(house: House, path: str) -> None:
    await use_key(house)
    assert (await ask(house, path)).status == 200


@BOTH
async def test_a_revoked_key_is_refused_before_long(house: House, path: str) -> None:
    assert (await ask(house, path)).status == 200
    await revoke(house)
    await until_refused(house, path)
    called = len(await house.called())
    said = await ask(house, path)
    assert (said.status, said.error["code"]) == (401, "invalid_api_key")
    assert (await house.get("/v1/models")).status == 401
    assert (await house.get("/v1/account/balance")).status == 401
    assert len(await house.called()) == called, "no vendor is asked for it"


@BOTH
async def test_an_open_stream_outlives_its_key(house: House, path: str) -> None:
    house.script(
        '[[rules]]\nmatch = { stream = true }\nanswer = { text = "one two three", chunk_chars = 1, delay_ms = 20 }'
    )
    body = b'{"model":"solo","messages":[{"role":"user","content":"hi"}],"max_tokens":50,"stream":true}'
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    head = f"POST {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\nx-api-key: {house.payer.key}\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    first = await reader.readuntil(b"\r\n\r\n")
    await revoke(house)
    await until_refused(house, path)
    async with asyncio.timeout(PATIENCE):
        said = read_answer(first + await reader.read())
    writer.close()
    assert said.ended == "complete"
    assert (b"[DONE]" if path == CHAT else b"message_stop") in said.body


@BOTH
async def test_an_expired_key(house: House, path: str) -> None:
    now = house.parts.world.clock.now()
    await use_key(house, expires_at=now + timedelta(days=1))
    assert (await ask(house, path)).status == 200
    await use_key(house, expires_at=now - timedelta(microseconds=1))
    said = await ask(house, path)
    assert (said.status, said.error["code"]) == (401, "invalid_api_key")
    assert "expired" in said.error["message"]


@BOTH
async def test_models_of_a_key(house: House, path: str) -> None:
    await use_key(house, models=("solo",))
    for name in ("solo", "solo-2026-01-01", "alpha/solo", "sims/solo"):
        assert (await ask(house, path, name)).status == 200
    for name in ("duo", "duo-2026-01-01", "alpha/duo"):
        said = await ask(house, path, name)
        check_denied(said)
        assert "solo" in said.error["message"]
    check_denied(await house.post(f"{path}?dry_run=1", {"model": "duo", "messages": HELLO, "max_tokens": 5}))


@BOTH
async def test_providers_of_a_key(house: House, path: str) -> None:
    await use_key(house, providers=("beta", "gamma"))
    said = await ask(house, path, "quad")
    assert (said.status, said.headers["x-tokenharbor-provider"]) == (200, "beta")
    check_denied(await ask(house, path, "solo"))
    check_denied(await ask(house, path, "alpha/duo"))
    await use_key(house, denied_providers=("alpha", "beta"))
    assert (await ask(house, path, "quad")).headers["x-tokenharbor-provider"] == "gamma"
    check_denied(await ask(house, path, "duo"))


@BOTH
async def test_a_keys_rules_hold_through_failover(house: House, path: str) -> None:
    await use_key(house, denied_providers=("beta",))
    house.fail(*["kind = 'status', status = 500"] * 4)
    assert (await ask(house, path, "quad")).status == 502
    assert await house.called() == ["alpha", "gamma", "delta"]


@BOTH
async def test_addresses_of_a_key(house: House, path: str, behind_proxy: None) -> None:
    await use_key(house, networks=(IPv4Network("192.0.2.0/24"), IPv6Network("2001:db8::/32")))
    assert (await ask(house, path, **FAR)).status == 200
    assert (await ask(house, path, x_forwarded_for="2001:db8::7")).status == 200
    for address in ("192.0.3.1", "2001:db9::1", "192.0.2.7, 198.51.100.1"):
        check_denied(await ask(house, path, x_forwarded_for=address))
    check_denied(await ask(house, path))
    check_denied(await house.get("/v1/account/balance"))


@BOTH
async def test_an_address_is_not_believed_from_whom_nobody_trusts(house: House, path: str) -> None:
    await use_key(house, networks=(IPv4Network("192.0.2.0/24"),))
    check_denied(await ask(house, path, **FAR))


async def test_a_key_sees_the_models_that_it_may_use(house: House) -> None:
    async def listed() -> set[str]:
        said = (await house.get("/v1/models")).json()
        assert [model["name"] for model in said["models"]] == [f"models/{model['id']}" for model in said["data"]]
        return {model["id"] for model in said["data"]} & {"solo", "duo", "quad", "tape"}

    assert await listed() == {"solo", "duo", "quad", "tape"}
    await use_key(house, models=("solo", "quad"))
    assert await listed() == {"solo", "quad"}
    assert (await house.get("/v1/models/solo")).status == 200
    assert (await house.get("/v1/models/duo")).status == 404
    await use_key(house, providers=("beta", "gamma"))
    assert await listed() == {"duo", "quad"}
    (quad,) = [each for each in (await house.get("/v1/models")).json()["data"] if each["id"] == "quad"]
    assert [each["name"] for each in quad["providers"]] == ["beta", "gamma"], "and nobody whom it may not ask"
    assert quad["pricing"] == quad["providers"][0]["pricing"]
    assert (await house.get("/v1/models/quad")).json() == quad
    await use_key(house, denied_providers=("alpha", "beta"))
    assert await listed() == {"quad", "tape"}
    assert (await house.get("/v1/models/solo")).status == 404
