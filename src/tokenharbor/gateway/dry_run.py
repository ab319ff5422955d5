"""`?dry_run=1`: the route, each candidate dropped and why, and the quote. No hold is placed, no provider is called."""

from typing import Any

import msgspec

from tokenharbor.gateway.answers import json_head
from tokenharbor.gateway.call import Call
from tokenharbor.gateway.dependencies import AccountReads
from tokenharbor.gateway.planning import Planned
from tokenharbor.gateway.translation import left_out
from tokenharbor.identity.caller import Caller
from tokenharbor.kernel.errors import BooksError, Unavailable
from tokenharbor.kernel.money import ZERO


async def answer_dry_run(call: Call, caller: Caller, planned: Planned, reads: AccountReads) -> None:
    """Always 200; `affordable` looks at the balance as it is now."""
    try:
        balance = await reads.balance(caller.account_id, call.meter.started_at)
    except BooksError as error:
        raise Unavailable("Database unavailable: try again shortly.") from error
    quoted = planned.quote(call.meter.started_at) if planned.way.ready else None
    answer: dict[str, Any] = {
        "model": planned.offers.model.name,
        "route": [
            {
                "provider": sale.offer.endpoint.provider.name,
                "model": sale.offer.endpoint.model,
                "region": sale.offer.endpoint.region or sale.offer.endpoint.provider.region,
                "left_out": left_out(call, planned.request, sale),
            }
            for sale in planned.way.ready
        ],
        "dropped": [{"provider": drop.endpoint.provider.name, "why": drop.why} for drop in planned.way.route.dropped],
        "quote": None,
        "affordable": False,
    }
    if quoted is not None:
        answer["quote"] = {
            "amount_usd": str(quoted.amount),
            "input_tokens": quoted.bound.input,
            "output_tokens": quoted.bound.output,
            "currency": "USD",
        }
        answer["affordable"] = quoted.amount <= balance.available and balance.debt == ZERO
    call.exchange.respond(200, json_head(call.request_id), msgspec.json.encode(answer))
