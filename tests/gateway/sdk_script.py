"""The simulator's answers to the vendors' own libraries, and their cost."""

from typing import Any

import anthropic
import pytest
from tests.gateway.house import PLAYED, House

from tokenharbor.kernel.money import Usd

TEXT = "Fair winds — 顺风 🌊 and following seas."


SCRIPT = f"""
[answer]
text = "{TEXT}"
reasoning = "The harbour is calm today."
chunk_chars = 5
[answer.usage]
input = 100
cache_read = 40
cache_write_5m = 7
output = 11
reasoning = 5
[[answer.calls]]
name = "bash"
arguments = {{ command = "echo ahoy" }}
"""


COST = Usd.parse("0.000144750")
"""At 1 USD per million of input, 0.10 of cache reads, 1.25 of cache writes, 2 of output and reasoning."""


INCLUDE: Any = {"usage": {"include": True}}


async def spent(house: House) -> Usd:
    balance, held = await house.money()
    assert held == "0.000000000"
    return Usd(Usd.parse("100") - Usd.parse(balance))


# Vendors of other dialects: the libraries cannot tell

FAR = pytest.mark.parametrize("wire", PLAYED)


def body_of(error: anthropic.APIStatusError) -> Any:
    body: Any = error.body
    assert body["request_id"] == error.request_id
    return body["error"]
