"""Opens a top-up: commits the intent, then asks the processor for the page where the payer pays.

Invariant: an idempotency key names one top-up of an account. A retry with the same key continues that top-up: missing
steps are done, and none is done twice. Every request to the processor is built from the row, since processors refuse a
key that comes with another request.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tokenharbor.funding import store
from tokenharbor.funding.amounts import TopUpPrice, price_top_up
from tokenharbor.funding.context import Funding
from tokenharbor.funding.types import TopUp, TopUpState
from tokenharbor.identity.store import get_account
from tokenharbor.kernel.errors import Conflict, ProcessorRefused, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.payments.processor import Processor
from tokenharbor.payments.types import CheckoutOrder, ProcessorAbility

FIRST_SWEEP_AFTER: Final = timedelta(seconds=5)
"""How long after its opening the sweep first reads a top-up."""

KEYS_LAST: Final = timedelta(hours=5)
"""How long every processor keeps an idempotency key at least. Later, its objects are searched instead."""

MOST_OPEN: Final = 20
"""How many top-ups of an account may be open at once. Each is read again for a week, and somebody who tests stolen
cards opens many.
"""

_LONGEST_KEY = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUpRequest:
    """A request for a top-up: `amount` is the credit. Without a processor or method, the edition's first is taken."""

    account_id: UUID
    amount: Usd
    currency: str
    idempotency_key: str
    actor: str
    processor: str | None = None
    method: str | None = None
    save_method: bool = False


async def open_top_up(funding: Funding, request: TopUpRequest) -> TopUp:
    """Return the top-up with the URL where it is paid.

    Raises Missing; Rejected if the edition does not sell it; Conflict if the key was used for another request or too
    many top-ups are open; ProcessorUnavailable (retry with the same key); ProcessorRefused.
    """
    if not 0 < len(request.idempotency_key) <= _LONGEST_KEY or not request.idempotency_key.isprintable():
        raise Rejected(
            f"an idempotency key must have 1 to {_LONGEST_KEY} printable characters", param="idempotency_key"
        ).because(ErrorReason.IDEMPOTENCY_KEY_INVALID)
    top_up = await _record(funding, request)
    if top_up.state is not TopUpState.OPEN or top_up.url is not None:
        return top_up
    return await _ask_for_checkout(funding, top_up)


async def _record(funding: Funding, request: TopUpRequest) -> TopUp:
    """Commit the intent and return it; or return the top-up that this key already has."""
    now = funding.world.clock.now()
    async with funding.change() as conn:
        await get_account(conn, request.account_id)
        await Wallets(conn).lock_wallet(request.account_id, now)  # so that concurrent requests count each other
        known = await store.find_by_key(conn, request.account_id, request.idempotency_key)
        if known is None:
            if await store.count_open(conn, request.account_id) >= MOST_OPEN:
                raise Conflict(
                    f"{MOST_OPEN} top-ups of this account are open: pay one, or wait until some expire"
                ).because(ErrorReason.TOP_UPS_OPEN, most=MOST_OPEN)
            sold = request.currency in funding.policy().topups.currencies
            rate = await store.read_rate(conn, request.currency, now) if sold else None
            price = price_top_up(funding.policy().topups, request.amount, request.currency, rate, now)
            known = await store.add_top_up(conn, _intent(funding, request, price, now))
    if known is None or not _is_same(known, request):
        raise Conflict(f"the idempotency key {request.idempotency_key[:40]!r} was used for another top-up").because(
            ErrorReason.IDEMPOTENCY_KEY_USED
        )
    return known


def _intent(funding: Funding, request: TopUpRequest, price: TopUpPrice, now: datetime) -> TopUp:
    processor, method = _choose(funding, request)
    return TopUp(
        id=funding.world.ids.new(),
        account_id=request.account_id,
        idempotency_key=request.idempotency_key,
        processor=processor.name,
        method=method,
        created_at=now,
        actor=request.actor,
        money=price.money,
        tax_minor=0,
        credit=price.credit,
        state=TopUpState.OPEN,
        automatic=False,
        pretended=processor.name in funding.pretended,
        save_method=request.save_method,
        looks=0,
        rate=price.rate,
        rate_until=price.rate_until,
        next_look_at=now + FIRST_SWEEP_AFTER,
    )


def _choose(funding: Funding, request: TopUpRequest) -> tuple[Processor, str]:
    """Return the first processor and method that fit. Raises Rejected."""
    sold = funding.policy().topups.methods
    offered = funding.offered(ProcessorAbility.CHECKOUT)
    for processor in offered:
        if request.processor in (None, processor.name):
            takes = [name for name, currencies in processor.methods.items() if request.currency in currencies]
            wanted = [name for name in takes if name in sold or processor.name in funding.pretended]
            if request.save_method:
                wanted = [name for name in wanted if name in processor.savable]
            found = [name for name in wanted if request.method in (None, name)]
            if found:
                return processor, found[0]
    asked = " ".join(each for each in (request.processor, request.method, request.currency) if each)
    names = ", ".join(processor.name for processor in offered) or "none is configured"
    raise Rejected(f"no processor offers {asked[:100]}; processors: {names}", param="processor").because(
        ErrorReason.METHOD_NOT_OFFERED
    )


def _is_same(top_up: TopUp, request: TopUpRequest) -> bool:
    asked = (request.amount, request.currency, request.save_method)
    return (
        (top_up.credit, top_up.money.currency, top_up.save_method) == asked
        and request.processor in (None, top_up.processor)
        and request.method in (None, top_up.method)
    )


async def _ask_for_checkout(funding: Funding, top_up: TopUp) -> TopUp:
    """Ask the processor for a checkout. Raises Conflict if the top-up is too old, ProcessorUnavailable,
    ProcessorRefused.
    """
    if funding.world.clock.now() > top_up.created_at + KEYS_LAST:
        raise Conflict(f"{top_up.shown_id} was not opened in time: use another idempotency key").because(
            ErrorReason.TOP_UP_NOT_OPENED
        )
    page = f"{funding.public_url}/dashboard/billing/top-ups/{top_up.shown_id}"
    order = CheckoutOrder(
        top_up_id=top_up.shown_id,
        money=top_up.money,
        method=top_up.method,
        description=f"{top_up.credit.brief_down()} USD of credit",
        return_url=page,
        cancel_url=page,
        idempotency_key=f"{top_up.shown_id}/open",
        save_method=top_up.save_method,
    )
    try:
        opened = await funding.processor(top_up.processor).open_checkout(order)
    except ProcessorRefused as error:
        async with funding.acquire() as conn:
            await store.set_state(conn, top_up.id, TopUpState.FAILED, str(error))
        raise
    async with funding.acquire() as conn:
        stored = await store.set_checkout(conn, top_up.id, opened.processor_id, opened.url)
        return stored or await store.get_top_up(conn, top_up.id)
