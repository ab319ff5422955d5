"""The quote's bound of output: only a maximum that the provider obeys limits an answer."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from tests.gateway.house import CHAT, HELLO, MESSAGES, RESPONSES, House
from tests.gateway.raw import RawAnswer

from tokenharbor.app.secrets import credential_lookup
from tokenharbor.catalog.types import OutputLimit
from tokenharbor.gateway.snapshot import build_snapshots
from tokenharbor.kernel.money import Usd

pytestmark = pytest.mark.asyncio(loop_scope="session")

AT_ONCE = 30
UNLIMITED = 8_000  # tokens of an answer that nothing limits
PICO = 2_000_000  # of one of them, in the house's catalogue
BOTH = ("max_tokens", "max_completion_tokens")


class Vendor:
    """Answers in the chat dialect with as many tokens as it is allowed by the fields that it obeys."""

    def __init__(self, house: House, monkeypatch: pytest.MonkeyPatch, obeys: tuple[str, ...], thinks: int = 0) -> None:
        self.tokens = 0
        self.bodies: list[dict[str, Any]] = []
        self._house, self._obeys, self._thinks = house, obeys, thinks
        monkeypatch.setattr(house.tape, "_play", self._play)

    async def _play(self, writer: asyncio.StreamWriter) -> None:
        asked = json.loads(self._house.tape.asked[-1].body)
        self.bodies.append(asked)
        most = min([asked[name] for name in self._obeys if asked.get(name)], default=UNLIMITED) + self._thinks
        self.tokens += most
        choice = {"index": 0, "message": {"role": "assistant", "content": "words"}, "finish_reason": "length"}
        usage = {"prompt_tokens": 9, "completion_tokens": most, "total_tokens": 9 + most}
        body = json.dumps({"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()

    @property
    def cost(self) -> Usd:
        """What its answers' tokens cost us."""
        return Usd(self.tokens * PICO // 1_000)


@pytest.fixture(autouse=True)
def back(house: House) -> Iterator[None]:
    before = house.parts.snapshots.sales
    yield
    house.parts.snapshots.swap(before)


def limit(house: House, stated: OutputLimit, model: str = "tape") -> None:
    """As if the provider's TOML stated this."""
    snapshots = house.parts.snapshots
    models = dict(snapshots.current.catalog.models)
    endpoints = tuple(replace(each, limit=stated) for each in models[model].endpoints)
    chats = tuple(each for each in endpoints if each.provider.wire == "openai_chat")
    models[model] = replace(models[model], endpoints=chats)
    catalog = replace(snapshots.current.catalog, models=MappingProxyType(models))
    secrets = credential_lookup(house.settings, {})
    snapshots.swap(build_snapshots(catalog, snapshots.current.policy, secrets, house.parts.world.clock))


async def at_once(house: House, usd: str, path: str = CHAT, /, **fields: Any) -> list[RawAnswer]:
    """So many requests in one moment, by a payer with so much money."""
    house.payer = await house.new_payer(usd)
    said = {"input": HELLO} if path == RESPONSES else {"messages": HELLO}
    return await asyncio.gather(*(house.post(path, {"model": "tape", **said, **fields}) for _ in range(AT_ONCE)))


async def spent(house: House, usd: str) -> Usd:
    return Usd(Usd.parse(usd) - Usd.parse((await house.money())[0]))


async def test_F2_a_maximum_goes_out_in_the_field_that_the_provider_obeys(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for obeyed, other in (BOTH, BOTH[::-1]):
        limit(house, OutputLimit(obeyed))
        for sent in (
            {other: 1},
            {obeyed: 1},
            {other: 1, obeyed: 5_000},
            {other: 5_000, obeyed: 1},
            {other: None, obeyed: 1},
        ):
            vendor = Vendor(house, monkeypatch, (obeyed,))
            answers = await at_once(house, "0.01", **sent)
            assert {said.status for said in answers} == {200}, (obeyed, sent)
            assert all(body[obeyed] == 1 and not body.get(other) for body in vendor.bodies), (obeyed, sent)
            assert vendor.cost <= await spent(house, "0.01"), (obeyed, sent)


async def test_F2_a_vendor_that_ignores_the_maximum_costs_no_more_than_the_wallet(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not stated: the newer name may be ignored. Stated as none: so are both."""
    for stated, sent in (
        (OutputLimit(), {"max_completion_tokens": 1}),
        (OutputLimit(), {"max_completion_tokens": 1, "max_tokens": 9_000}),
        (OutputLimit(), {"max_tokens": 1, "num_predict": 9_000}),
        (OutputLimit(""), {"max_completion_tokens": 1}),
        (OutputLimit(""), {"max_tokens": 1}),
    ):
        for usd in ("0.01", "0.05"):
            limit(house, stated)
            vendor = Vendor(house, monkeypatch, ())
            answers = await at_once(house, usd, **sent)
            assert {said.status for said in answers} <= {200, 402}
            assert any(said.status == 200 for said in answers) == (usd == "0.05"), (stated, sent)
            assert vendor.cost <= await spent(house, usd), (stated, sent, usd)


async def test_F2_the_older_name_counts_where_none_is_stated(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(house, OutputLimit())
    vendor = Vendor(house, monkeypatch, ("max_tokens",))
    assert {said.status for said in await at_once(house, "0.01", max_tokens=1)} == {200}
    assert vendor.cost <= await spent(house, "0.01")


async def test_F2_another_dialects_maximum_is_written_in_the_providers_field(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for obeyed in BOTH:
        limit(house, OutputLimit(obeyed))
        ways: list[tuple[str, dict[str, Any]]] = [(MESSAGES, {"max_tokens": 1}), (RESPONSES, {"max_output_tokens": 1})]
        for path, fields in ways:
            vendor = Vendor(house, monkeypatch, (obeyed,))
            assert {said.status for said in await at_once(house, "0.01", path, **fields)} == {200}
            assert vendor.cost <= await spent(house, "0.01")
    limit(house, OutputLimit(""))
    vendor = Vendor(house, monkeypatch, ())
    assert {said.status for said in await at_once(house, "0.01", MESSAGES, max_tokens=1)} == {402}


async def test_F2_a_capped_maximum_is_written_in_the_providers_field(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for obeyed in BOTH:
        limit(house, OutputLimit(obeyed))
        vendor = Vendor(house, monkeypatch, (obeyed,))
        answers = [said for said in await at_once(house, "0.012") if said.status == 200]
        assert answers
        assert {int(said.headers["x-tokenharbor-max-tokens"]) for said in answers} == {
            each[obeyed] for each in vendor.bodies
        }
        assert vendor.cost <= await spent(house, "0.012")
    limit(house, OutputLimit(""))
    Vendor(house, monkeypatch, ())
    assert {said.status for said in await at_once(house, "0.012")} == {402}


async def test_F2_reasoning_outside_of_the_maximum_is_in_the_bound(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stated for the provider; or asked for, as a budget that is larger than the maximum."""
    limit(house, OutputLimit("max_tokens", reasoning_apart=True))
    vendor = Vendor(house, monkeypatch, BOTH, thinks=50_000)
    await at_once(house, "0.40", max_tokens=1)
    assert vendor.cost <= await spent(house, "0.40")
    for budget in (
        {"thinking_budget": 50_000},
        {"thinking": {"type": "enabled", "budget_tokens": 50_000}},
        {"reasoning": {"max_tokens": 50_000}},
    ):
        limit(house, OutputLimit("max_tokens"))
        vendor = Vendor(house, monkeypatch, BOTH, thinks=50_000)
        answers = await at_once(house, "0.15", max_tokens=1, **budget)
        assert any(said.status == 200 for said in answers)
        assert vendor.cost <= await spent(house, "0.15")
