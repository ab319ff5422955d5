"""The charge of a request at its end: settled or released exactly once, whatever the client does."""

import asyncio

from tokenharbor.billing.counting import BilledUsage, billable_usage, find_excess
from tokenharbor.billing.detail import OwnDetail, Status, cache_layer, join_detail
from tokenharbor.billing.meter import Meter, MeterState
from tokenharbor.billing.quote import Offer
from tokenharbor.billing.releases import Releases
from tokenharbor.billing.settlements import Settlements
from tokenharbor.cache.answers import CacheHit
from tokenharbor.kernel.errors import BooksError, BooksRefused, Unavailable
from tokenharbor.kernel.ids import show
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.usage import token_count
from tokenharbor.kernel.world import World
from tokenharbor.ledger.types import Product, Release, Settlement

_SALT_BYTES = 16
_MAY_HOLD = MeterState.PLACING, MeterState.HELD


class Settler:
    """Turns meters into settlements and releases."""

    def __init__(self, settlements: Settlements, releases: Releases, world: World) -> None:
        self._settlements = settlements
        self._releases = releases
        self._clock = world.clock
        self._entropy = world.entropy

    async def settle(self, meter: Meter) -> Usd:
        """Bill a complete answer. Return the charge once it is durable. Raises Unavailable."""
        settlement = self._settlement(meter, "complete")
        meter.state = MeterState.SETTLING
        try:
            settled = await self._settlements.submit(settlement)
        except asyncio.CancelledError:  # the client has left: retry in the background until it is durable
            self._settlements.submit_soon(settlement)
            raise
        except BooksError as error:
            self._releases.submit_soon(self._release(meter))
            meter.state = MeterState.CLOSED
            raise Unavailable(_unsettled_message(meter, error)) from error
        meter.state = MeterState.CLOSED
        return settled.charge

    def task_settlement(self, meter: Meter) -> Settlement:
        """Return the settlement of an accepted task, to be billed once it is done."""
        return self._settlement(meter, "complete")

    def leave_to_task(self, meter: Meter) -> None:
        """Leave the hold to a task that is in the books. Until then, a release ends both hold and task."""
        meter.state = MeterState.CLOSED
        self._releases.hand_over(meter.request_id)

    async def release_hold(self, meter: Meter) -> None:
        """Release the hold before the failure is sent to the caller; if the database is unavailable, once it
        answers.
        """
        if meter.state is not MeterState.HELD or (meter.delivered_bytes and _bills_broken_streams(meter)):
            return self.end_unsettled(meter)
        meter.state = MeterState.CLOSED
        release = self._release(meter)
        try:
            released = self._releases.submit(release)
            await asyncio.shield(released)
        except asyncio.CancelledError:
            self._releases.submit_soon(release, released)
            raise
        except BooksError:
            self._releases.submit_soon(release)

    def end_unsettled(self, meter: Meter) -> None:
        """End a request that was not settled: bill the part that a client read before it hung up, else release the
        hold. Does nothing without a hold. It is synchronous, so that a cancelled request cannot miss it.
        """
        if meter.state not in _MAY_HOLD:
            return
        meter.state = MeterState.CLOSED
        status: Status = "failed" if meter.refusal else "hung_up"
        if meter.delivered_bytes and (not meter.refusal or _bills_broken_streams(meter)):
            self._settlements.submit_soon(self._settlement(meter, status))
        else:
            self._releases.submit_soon(self._release(meter, status))

    def _settlement(self, meter: Meter, status: Status) -> Settlement:
        offer = meter.offer
        assert offer is not None, "only a request that was sent to an endpoint can be settled"  # noqa: S101  for mypy
        if meter.hit is not None:
            return self._settlement_of_hit(meter, meter.hit, offer, status)
        counted = billable_usage(meter)
        usage = counted.usage
        charge = offer.rates.rate(usage, meter.started_at)  # at the prices of the quote
        if usage.cache_read or usage.cache_write_5m or usage.cache_write_1h:
            meter.saved = offer.rates.saved_by_vendor(usage, meter.started_at, charge.total)
        meter.status = status
        return Settlement(
            meter.request_id,
            meter.payer,
            offer.product,
            status,
            self._detail(meter, counted),
            self._entropy.bytes(_SALT_BYTES),
            self._clock.now(),
            charge.total,
            charge.fee,
            charge.vendor_cost,
            meter.hold,
            counted.tokens,
        )

    def _settlement_of_hit(self, meter: Meter, hit: CacheHit, offer: Offer, status: Status) -> Settlement:
        """Return the settlement of a cache hit, at zero. Its detail says what it would have cost at current prices."""
        usage = hit.answer.usage
        counted = BilledUsage(usage, "vendor", token_count(usage))
        meter.saved = offer.rates.rate(usage, meter.started_at).total
        meter.status = status
        return Settlement(
            meter.request_id,
            meter.payer,
            offer.product,
            status,
            self._detail(meter, counted),
            self._entropy.bytes(_SALT_BYTES),
            self._clock.now(),
            ZERO,
            ZERO,
            ZERO,
            ZERO,
            counted.tokens,
        )

    def _release(self, meter: Meter, status: Status = "failed") -> Release:
        loss = _vendor_loss(meter)
        product = Product(meter.lane.model_name, "", meter.policy.name) if meter.offer is None else meter.offer.product
        meter.status = status
        detail, salt = self._detail(meter, None), self._entropy.bytes(_SALT_BYTES)
        return Release(meter.request_id, meter.payer, product, status, detail, salt, self._clock.now(), loss)

    def _detail(self, meter: Meter, counted: BilledUsage | None) -> bytes:
        began, first_at, usage = meter.started, meter.first_at, counted.usage if counted else None
        own = OwnDetail(  # by place: its names would cost more than writing it
            meter.status,
            meter.started_at,
            int((self._clock.monotonic() - began) * 1000),
            None if first_at is None else int((first_at - began) * 1000),
            meter.upstream_id,
            meter.request.stream,
            usage,
            counted.source if counted else "none",
            meter.quarantined,
            meter.delivered_bytes if counted and counted.source == "estimated" else None,
            tuple(meter.attempts),
            tuple(meter.alarms) if meter.alarms else (),
            cache_layer(usage) if meter.hit is None else meter.hit.layer,
            meter.refusal,
            meter.client_request_id,
            meter.capped,
            meter.left_out,
            int(meter.hold),  # msgspec writes no subclass of int
            int(meter.saved),
        )
        return join_detail(meter.lane.detail_head(meter.offer), own, meter.not_asked, meter.session)


def _vendor_loss(meter: Meter) -> Usd:
    """Return the provider's cost of an answer that is not billed, if the provider reported usage: by its usage if that
    is within the quote's bound, and at least by our own count.
    """
    reported = meter.usage or meter.usage_so_far
    if meter.offer is None or reported is None or meter.hit is not None:  # no provider was called
        return ZERO
    usages = [billable_usage(meter).usage]
    if meter.quote is None or find_excess(reported, meter.quote) is None:
        usages.append(reported)
    return max(meter.offer.rates.rate(usage, meter.started_at).vendor_cost for usage in usages)


def _unsettled_message(meter: Meter, error: BooksError) -> str:
    receipt = f"GET /v1/requests/{show('req', meter.request_id)}"
    if isinstance(error, BooksRefused):
        return f"The ledger refused the charge, so the answer is incomplete. See the receipt: {receipt}."
    return (
        "The database did not confirm the charge in time, so the answer is incomplete. It may still be charged; "
        f"see the receipt: {receipt}."
    )


def _bills_broken_streams(meter: Meter) -> bool:
    return meter.cut or meter.policy.billing.broken_streams
