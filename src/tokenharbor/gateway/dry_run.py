"""`?dry_run=1`: answers with the route, each dropped candidate and why, and the quote; holds and sends nothing."""

from typing import Any

import msgspec

from tokenharbor.billing.quote import quote
from tokenharbor.gateway.answers import json_head
from tokenharbor.gateway.call import MeteredCall
from tokenharbor.gateway.dependencies import Dependencies
from tokenharbor.gateway.local_limits import LocalClass
from tokenharbor.gateway.offers import Plan
from tokenharbor.gateway.pool_decision import PoolDecision
from tokenharbor.gateway.translation import drop_untranslatable, left_out_header
from tokenharbor.identity.caller import Caller
from tokenharbor.kernel.errors import BooksError, Unavailable
from tokenharbor.kernel.money import ZERO
from tokenharbor.orchestra.pins import WHY_WORDS
from tokenharbor.wire.neutral.request import Request


async def answer_dry_run(
    call: MeteredCall, caller: Caller, request: Request, plan: Plan, dependencies: Dependencies
) -> None:
    """Answer a dry run. `affordable` compares the quote with the current balance. Raises RateLimited, Unavailable."""
    dependencies.local_limits.count(call, LocalClass.READ, caller)
    try:
        balance = await dependencies.reads.balance(caller.account_id, call.started_at)
    except BooksError as error:
        raise Unavailable("Database unavailable: try again shortly.") from error
    plan = drop_untranslatable(call, request, plan)
    pool_decision = call.pool_decision
    answer: dict[str, Any] = {
        "model": plan.model.name if pool_decision is None else call.meter.model,
        "route": [
            {
                "provider": ready.endpoint.provider.name,
                "model": ready.endpoint.model,
                "region": ready.endpoint.region or ready.endpoint.provider.region,
                "left_out": left_out_header(call, request, ready),
            }
            for ready in plan.endpoints
        ],
        "dropped": [
            {
                "provider": drop.endpoint.provider.name,
                "model": drop.endpoint.model,
                "code": drop.code,
                "why": drop.reason,
            }
            for drop in plan.dropped
        ],
        "quote": None,
        "affordable": False,
    }
    if pool_decision is not None:
        answer |= _explained(pool_decision, call.meter.session)
    if plan.endpoints:
        quoted = quote(request, plan.endpoints, call.started_at, writes=plan.foreign)
        answer["quote"] = {
            "amount_usd": str(quoted.amount),
            "input_tokens": quoted.bound.input,
            "output_tokens": quoted.bound.output,
            "currency": "USD",
        }
        answer["affordable"] = quoted.amount <= balance.available and balance.debt == ZERO
    call.exchange.respond(200, json_head(call), msgspec.json.encode(answer))


def _explained(pool_decision: PoolDecision, session: str) -> dict[str, Any]:
    """Return why a request for a model pool has its stage."""
    decision, choice = pool_decision.turn.decision, pool_decision.choice
    return {
        "stage": choice.stage,
        "confidence": pool_decision.confidence,
        "why": WHY_WORDS[choice.why],
        "decided_by": decision.by,
        "because": decision.because,
        "effort": pool_decision.effort,
        "session": session or None,
    }
