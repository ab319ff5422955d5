"""The quote's bound of input: by the kinds of characters, not by bytes alone."""

import asyncio
import json
from typing import Any

import pytest
from tests.gateway.house import CHAT, MESSAGES, RESPONSES, House

from tokenharbor.billing.alarms import Alarm
from tokenharbor.kernel.money import Usd
from tokenharbor.wire.count.o200k import O200K, load

pytestmark = pytest.mark.asyncio(loop_scope="session")

AT_ONCE = 60
PICO = 1_000_000  # of a token of input, in the house's catalogue
CL100K = load("cl100k_base")
TAGS = "".join(map(chr, range(0xE0020, 0xE0060)))


class Vendor:
    """Answers in one word, and counts the input by a tokenizer that takes rare characters apart."""

    def __init__(self, house: House, monkeypatch: pytest.MonkeyPatch, *, times: int = 1) -> None:
        self.tokens = 0
        self._house, self._times = house, times
        monkeypatch.setattr(house.tape, "_play", self._play)

    async def _play(self, writer: asyncio.StreamWriter) -> None:
        asked = json.loads(self._house.tape.asked[-1].body)
        tokens = self._times * max(each.count(asked["messages"][-1]["content"]) for each in (O200K, CL100K))
        self.tokens += tokens
        choice = {"index": 0, "message": {"role": "assistant", "content": "word"}, "finish_reason": "stop"}
        usage = {"prompt_tokens": tokens, "completion_tokens": 1, "total_tokens": tokens + 1}
        body = json.dumps({"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()

    @property
    def cost(self) -> Usd:
        return Usd(self.tokens * PICO // 1_000)


async def at_once(house: House, body: bytes, usd: str, path: str) -> set[int]:
    house.payer = await house.new_payer(usd)
    return {said.status for said in await asyncio.gather(*(house.post(path, body) for _ in range(AT_ONCE)))}


TEXTS = {
    "tags, of four bytes each": TAGS * 80,
    "rare Chinese": "".join(map(chr, range(0x20000, 0x20000 + 4_000))),
    "private use": "".join(map(chr, range(0xE000, 0xE000 + 5_000))),
    "control characters": "\x01\x02\x03\x04" * 4_000,
    "digits": "7 " * 8_000,
    "signs": "~q^Z|]%" * 2_000,
}


async def test_F9_text_that_is_many_tokens_costs_no_more_than_the_wallet(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many at once, of a payer who has money for a part of them; as the characters stand, and with JSON's escapes."""
    for name, text in TEXTS.items():
        for ascii_ in (False, True):
            content = [{"role": "user", "content": text}]
            body: dict[str, Any] = {"model": "tape", "messages": content, "max_tokens": 1}
            data = json.dumps(body, ensure_ascii=ascii_).encode()
            vendor = Vendor(house, monkeypatch)
            statuses = await at_once(house, data, "0.25", CHAT)
            assert 200 in statuses <= {200, 402}, (name, ascii_)
            spent = Usd(Usd.parse("0.25") - Usd.parse((await house.money())[0]))
            assert vendor.cost <= spent, (name, ascii_)


async def test_F9_the_bound_holds_for_every_dialect(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    said = [{"role": "user", "content": TAGS * 80}]
    for path, body in (
        (MESSAGES, {"model": "tape", "max_tokens": 1, "messages": said}),
        (RESPONSES, {"model": "tape", "max_output_tokens": 16, "input": said}),
    ):
        house.parts.snapshots.swap(house.usual)
        vendor = Vendor(house, monkeypatch)
        quoted = await house.post(f"{path}?dry_run=1", body)
        assert quoted.json()["quote"]["input_tokens"] >= max(O200K.count(TAGS * 80), CL100K.count(TAGS * 80))
        assert vendor.tokens == 0


async def test_F9_more_input_than_the_bound_is_an_alarm_and_billed_within_the_quote(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = house.parts.metrics._alarms.counts
    before = counts[Alarm.INPUT_OVER_BOUND, "taped", "tape"]
    Vendor(house, monkeypatch, times=300)
    said = await house.chat("tape", messages=[{"role": "user", "content": "hello there"}], max_tokens=5)
    assert said.status == 200
    receipt = await house.receipt(said.headers["x-request-id"])
    assert counts[Alarm.INPUT_OVER_BOUND, "taped", "tape"] == before + 1
    assert Usd.parse(said.headers["x-tokenharbor-cost-usd"]) <= Usd.parse(receipt["hold_usd"])
