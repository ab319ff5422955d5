"""Attempts: asks a plan's endpoints in order until one answers, and records each failure."""

import asyncio

import msgspec

from tokenharbor.billing.alarms import Alarm
from tokenharbor.billing.detail import Attempt
from tokenharbor.billing.meter import Meter
from tokenharbor.gateway.call import MeteredCall
from tokenharbor.gateway.dependencies import Dependencies
from tokenharbor.gateway.kinds.kind import A, LastFailure, R, RequestKind
from tokenharbor.gateway.offers import Plan, ReadyEndpoint
from tokenharbor.kernel.errors import InvalidRequest, Refusal
from tokenharbor.routing.health import Health
from tokenharbor.routing.plan import untranslatable_endpoint
from tokenharbor.routing.verdict import VERDICTS, FailedAttempt, provider_failure_refusal, refusal_after_attempts
from tokenharbor.upstream.credential_mask import MaskedFailure
from tokenharbor.upstream.send import OpenStream, WholeAnswer
from tokenharbor.wire.neutral.failure import Failure, FailureKind

_WAITED = frozenset({FailureKind.TIMEOUT, FailureKind.BROKEN})
"""Failures by which providers end an upload that takes too long."""


async def try_endpoints(
    dependencies: Dependencies, kind: RequestKind[R, A], call: MeteredCall, request: R, plan: Plan
) -> tuple[ReadyEndpoint, A]:
    """Return the first endpoint of the plan that answers (a stream: that sends content), and its answer. Raises the
    refusal that results from all failures if none does.
    """
    meter, monotonic = call.meter, dependencies.world.clock.monotonic
    faults: list[FailedAttempt] = []
    untranslatable: InvalidRequest | None = None
    for ready in plan.endpoints:
        began = monotonic()
        try:
            outcome = await kind.ask(call, request, ready)
        except asyncio.CancelledError:
            _note_hang_up(meter, ready, int((monotonic() - began) * 1000))
            raise
        except InvalidRequest as refusal:
            if ready.vendor is call.dialect:
                raise
            untranslatable = refusal  # this dialect cannot express a value of the request: the next one may
            plan = _without(plan, ready, refusal)
            meter.not_asked = plan.not_asked
            continue
        if not isinstance(outcome, (Failure, LastFailure)):
            _note_answer(dependencies, meter, ready, outcome, began)
            return ready, outcome
        failure = _note_failure(dependencies, meter, ready, outcome, began)
        faults.append(FailedAttempt(ready.served.provider, failure))
        if isinstance(outcome, LastFailure) or not VERDICTS[failure.kind].try_next:
            break
    if untranslatable is not None and not faults:
        raise untranslatable
    raise refusal_after_attempts(faults)


def _name_model(meter: Meter, ready: ReadyEndpoint) -> None:
    """Name the model of the last attempt, on a route of several models."""
    meter.model = ready.model.name
    meter.attempts[-1] = msgspec.structs.replace(meter.attempts[-1], model=ready.model.name)


def _without(plan: Plan, untranslatable: ReadyEndpoint, refusal: InvalidRequest) -> Plan:
    """Return the plan with an endpoint dropped whose dialect cannot express the request."""
    drop = untranslatable_endpoint(untranslatable.endpoint, refusal)
    return plan.narrow(lambda each: drop if each is untranslatable else each)


def broken_stream_refusal(
    dependencies: Dependencies, call: MeteredCall, ready: ReadyEndpoint, failure: Failure
) -> Refusal:
    """Return the refusal for an endpoint that failed after its first content: no other endpoint may be tried."""
    meter = call.meter
    if isinstance(failure, MaskedFailure):
        meter.alarm(Alarm.CREDENTIAL_SHOWN)
    attempt = meter.attempts[-1]
    since = dependencies.world.clock.monotonic() - (meter.first_at or 0.0)
    meter.attempts[-1] = msgspec.structs.replace(
        attempt, outcome=failure.kind.value, ms=attempt.ms + int(since * 1000), status=failure.status
    )
    _cool(dependencies.health, ready, failure, after_content=True)
    return provider_failure_refusal(
        FailedAttempt(ready.served.provider, failure), billed=meter.cut or meter.policy.billing.broken_streams
    )


def _note_answer(
    dependencies: Dependencies, meter: Meter, ready: ReadyEndpoint, answer: WholeAnswer | OpenStream, began: float
) -> None:
    now = dependencies.world.clock.monotonic()
    took_ms = int((now - began) * 1000)
    meter.attempts.append(Attempt(ready.served.provider, ready.served.upstream_model, "ok", took_ms))
    if meter.pooled:
        _name_model(meter, ready)
    meter.note_served_by(ready, answer.upstream_id, now)
    if answer.exposed:
        meter.alarm(Alarm.CREDENTIAL_SHOWN)
    dependencies.health.record_success(ready.name, took_ms)


def _note_hang_up(meter: Meter, ready: ReadyEndpoint, took_ms: int) -> None:
    meter.attempts.append(Attempt(ready.served.provider, ready.served.upstream_model, "hung_up", took_ms))
    if meter.pooled:
        _name_model(meter, ready)


def _note_failure(
    dependencies: Dependencies, meter: Meter, ready: ReadyEndpoint, outcome: Failure | LastFailure, began: float
) -> Failure:
    """Record a failure in the receipt and the endpoint's health, and return it."""
    took_ms = int((dependencies.world.clock.monotonic() - began) * 1000)
    served, failure = ready.served, outcome.failure if isinstance(outcome, LastFailure) else outcome
    meter.attempts.append(Attempt(served.provider, served.upstream_model, failure.kind.value, took_ms, failure.status))
    if meter.pooled:
        _name_model(meter, ready)
    if failure.kind is FailureKind.OVERLONG:
        meter.alarm(Alarm.OUTPUT_OVER_BOUND, provider_asked=served.provider)
    if isinstance(failure, MaskedFailure):
        meter.alarm(Alarm.CREDENTIAL_SHOWN, provider=served.provider)
    if failure.kind not in _WAITED or not (isinstance(outcome, LastFailure) and outcome.sending):
        _cool(dependencies.health, ready, failure)
    return failure


def _cool(health: Health, ready: ReadyEndpoint, failure: Failure, *, after_content: bool = False) -> None:
    seconds = VERDICTS[failure.kind].cool_seconds
    if seconds:
        health.record_failure(ready.name, max(seconds, failure.retry_after or 0), after_content=after_content)
