"""Untrusted claims: forged addresses and proxy headers, hosts with markup, unknown keys."""

import asyncio
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from tests.gateway import raw
from tests.gateway.attack import check_refusal, server, watching_logs
from tests.gateway.house import CHAT, HELLO, House

from tokenharbor.http.message import ServerLimits
from tokenharbor.identity.store import KeyRules

pytestmark = pytest.mark.asyncio(loop_scope="session")

OURS = "203.0.113.5"
PROXIES = ("127.0.0.1", "198.51.100.0/24")


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    with watching_logs(caplog, capfd):
        yield


FAR = [
    "203.0.113.9",
    "127.0.0.1, 203.0.113.9",
    "::1, 203.0.113.9, 198.51.100.7",
    "127.0.0.1,,203.0.113.9",
    "203.0.113.9:1234",
    "[2001:db8::1]:80",
    "::ffff:203.0.113.9",
    "127.0.0.1 , 203.0.113.9 , 127.0.0.1",
]


async def test_metrics_through_a_proxy_are_for_whoever_stands_behind_it(house: House) -> None:
    async with server(house, ServerLimits(), PROXIES) as port:
        for chain in FAR:
            said = await raw.ask(port, "GET", "/metrics", {"x-forwarded-for": chain})
            assert said.status == 403, chain
        assert (await raw.ask(port, "GET", "/metrics", {})).status == 200


async def test_metrics_through_a_proxy_that_nobody_told_us_of(house: House) -> None:
    for name in ("x-forwarded-for", "forwarded", "x-real-ip", "via", "x-forwarded-host"):
        for value in ("127.0.0.1", "for=127.0.0.1", "::1", "x", ""):
            assert (await house.ask("GET", "/metrics", {name: value})).status == 403, (name, value)
    assert (await house.ask("GET", "/metrics")).status == 200


async def chat(port: int, key: str, headers: dict[str, str]) -> raw.RawAnswer:
    content = b'{"model":"solo","messages":[{"role":"user","content":"hello"}],"max_tokens":10}'
    return await raw.ask(port, "POST", CHAT, {"x-api-key": key, **headers}, content)


async def test_a_keys_network_is_that_of_the_right_most_address_nobody_vouches_for(house: House) -> None:
    payer = await house.new_payer(rules=KeyRules(networks=(ip_network("203.0.113.0/29"),)))
    async with server(house, ServerLimits(), PROXIES) as port:
        for chain in (OURS, f"6.6.6.6, {OURS}", f"{OURS}, 198.51.100.9", f"garbage, {OURS}", f"[::ffff:{OURS}]:1"):
            assert (await chat(port, payer.key, {"x-forwarded-for": chain})).status == 200, chain
        for chain in ("6.6.6.6", f"{OURS}, 6.6.6.6", f"{OURS}, garbage", f"{OURS}, ", "", f"{OURS};", f"{OURS} {OURS}"):
            said = await chat(port, payer.key, {"x-forwarded-for": chain})
            check_refusal(said, "chat", 403, "permission_denied")
        for name in ("forwarded", "x-real-ip", "x-client-ip", "cf-connecting-ip", "true-client-ip"):
            said = await chat(port, payer.key, {name: OURS})
            check_refusal(said, "chat", 403, "permission_denied")
    said = await chat(house.port, payer.key, {"x-forwarded-for": OURS})
    check_refusal(said, "chat", 403, "permission_denied")


async def test_a_host_with_markup_is_text_on_the_page(house: House) -> None:
    for host in ('"><script>alert(1)</script>', "$rows", "${host}", "%s", "\xff<b>", "'onload='x"):
        said = await house.ask("GET", "/", {"host": host})
        page = said.body.decode()
        if said.status == 400:  # no name that a host can have
            assert host not in page
            continue
        assert said.status == 200, host
        assert "<script>" not in page.replace('<script>"use strict"', "")
        assert host not in page or "<" not in host
        assert "default-src 'none'" in said.headers["content-security-policy"]


async def test_a_flood_of_unknown_keys_asks_the_database_a_few_times(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And an honest caller is served meanwhile."""
    ring: Any = house.parts.ring
    asked = 0
    reader = ring._reader

    class Counting:
        async def fetch(self, query: str, *args: object) -> Any:
            nonlocal asked
            asked += 1
            return await reader.fetch(query, *args)

    monkeypatch.setattr(ring, "_reader", Counting())
    keys = [f"thk_live_{number:032d}" for number in range(400)]
    flood = asyncio.gather(*(raw.ask(house.port, "POST", CHAT, {"x-api-key": key}, b"{}") for key in keys))
    honest = await house.chat(messages=HELLO)
    refused = await flood
    assert honest.status == 200
    for said in refused:
        check_refusal(said, "chat", 401, "invalid_api_key")
    assert asked < 100
    assert len(ring._unknown) <= 10_000


async def test_nothing_is_done_without_a_key(house: House) -> None:
    for path in (CHAT, f"{CHAT}?dry_run=1", "/v1/messages", "/v1/messages?dry_run=1"):
        said = await raw.ask(house.port, "POST", path, {}, b"{}")
        check_refusal(said, "message" if "messages" in path else "chat", 401, "invalid_api_key")
    for path in ("/v1/account/balance", "/v1/requests", "/v1/requests/req_0"):
        check_refusal(await house.ask("GET", path), "chat", 401, "invalid_api_key")
    assert await house.called() == []
