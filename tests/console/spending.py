"""Billed requests, written to the books without a gateway."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from tokenharbor.billing.detail import Attempt, RequestDetail, ServedBy, Status, write_detail
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.payer import Payer
from tokenharbor.kernel.usage import Usage
from tokenharbor.kernel.world import World
from tokenharbor.ledger.book import wait_for_answers
from tokenharbor.ledger.store import open_book
from tokenharbor.ledger.types import Hold, Product, Settlement

PRICE = '{"components":[]}'
VERSION = sha256(PRICE.encode()).digest()


async def spend(
    url: str, world: World, payer: Payer, usd: str, *, model: str = "m", status: Status = "complete", **told: Any
) -> UUID:
    """A request from hold to settlement; its id. `told` are more fields of its detail."""
    now, cost = world.clock.now(), Usd.parse(usd)
    shown: dict[str, Any] = {"cache": "prefix", "saved": 3} | told
    hold = Hold(world.ids.new(), payer, cost, now)
    detail = RequestDetail(
        status,
        now,
        1200,
        300,
        "up-1",
        usage=Usage(input=10, cache_read=5, output=7),
        usage_source="vendor",
        attempts=(Attempt("p", model, "ok", 900, 200),),
        hold=int(cost),
        asked=model,
        model=model,
        dialect="openai_chat",
        served=ServedBy("p", model, VERSION.hex()),
        key_id=payer.key_id,
        edition="e",
        **shown,
    )
    settlement = Settlement(
        hold.request_id,
        payer,
        Product(model, "p", "e", "", VERSION),
        status,
        write_detail(detail),
        b"sixteen of salt.",
        now,
        cost,
        Usd(0),
        Usd(0),
        cost,
    )
    async with open_book(url, world.ids.new()) as book:
        placed: Sequence[Any] = await book.place([hold])
        await wait_for_answers(placed)
        await wait_for_answers(await book.settle([settlement]))
    return hold.request_id
