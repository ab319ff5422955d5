"""Payees: who may receive an account's withdrawals, once an operator has verified that the address is theirs.

Invariant: the address that was approved is the address that is paid. A payee never changes; another address is another
payee. The address is in a row that can be erased; the payee keeps a salted digest of it, which shows a changed row.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from tokenharbor.editions.policy import WithdrawalPolicy
from tokenharbor.funding import payee_store, withdrawal_store
from tokenharbor.funding.context import Funding
from tokenharbor.funding.payee_store import PayeeAddress
from tokenharbor.funding.people import is_same_person
from tokenharbor.funding.withdrawal_types import SavedPayee
from tokenharbor.identity.attempts import AttemptLimit, count_attempt
from tokenharbor.identity.store import get_account
from tokenharbor.kernel.errors import Conflict, Missing, RateLimited, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.payments.types import Payee, ProcessorAbility

MOST: Final = 20
"""How many payees an account may have, removed ones not counted: an operator has to verify each."""
ADDED: Final = AttemptLimit("payee", 20, timedelta(days=1))
"""How many payees an account may add a day, removed ones counted: each address blocks other accounts meanwhile."""

_LONGEST: Final = 200
_SALT_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPayee:
    """A payee to add: an address of a kind that the processor knows. `actor` is the person who adds it."""

    account_id: UUID
    processor: str
    kind: str
    address: str
    actor: str

    def __repr__(self) -> str:
        return f"NewPayee({self.account_id}, {self.processor!r}, {self.kind!r})"


async def add_payee(funding: Funding, wanted: NewPayee) -> SavedPayee:
    """Add an unverified payee. Raises Missing or Rejected; Conflict if the account has too many, or the address is
    already a payee's; RateLimited if too many were added today.
    """
    _check(funding, wanted)
    address = PayeeAddress(wanted.address, funding.world.entropy.bytes(_SALT_BYTES))
    payee = SavedPayee(
        id=funding.world.ids.new(),
        account_id=wanted.account_id,
        processor=wanted.processor,
        kind=wanted.kind,
        digest=_digest(wanted.kind, address),
        added_at=funding.world.clock.now(),
        actor=wanted.actor,
    )
    async with funding.change() as conn:
        await get_account(conn, wanted.account_id)
        await _check_room(conn, wanted.account_id, payee.added_at)
        if not await payee_store.add_payee(conn, payee, address):
            raise Conflict("this address is already a payee, of this or another account").because(
                ErrorReason.PAYEE_KNOWN
            )
    return payee


async def verify_payee(funding: Funding, payee_id: UUID, actor: str) -> SavedPayee:
    """Record that an operator verified a payee's address. Raises Missing; Rejected for an empty `actor`; Conflict if
    it was removed or verified, or if the same person added it.
    """
    if not actor.strip():
        raise Rejected("say who verifies the payee", param="actor")
    async with funding.change() as conn:
        payee = await payee_store.lock_payee(conn, payee_id)
        if payee.removed_at is not None or payee.verified_at is not None:
            raise Conflict(f"{payee.shown_id} was already {'removed' if payee.removed_at else 'verified'}")
        if is_same_person(payee.actor, actor):
            raise Conflict(f"{actor} added {payee.shown_id}: another person must verify it")
        return await payee_store.set_verified(conn, payee_id, funding.world.clock.now(), actor)


async def remove_payee(funding: Funding, payee_id: UUID) -> SavedPayee:
    """Remove a payee and erase its address. Raises Missing, or Conflict while a withdrawal to it is open."""
    now = funding.world.clock.now()
    async with funding.change() as conn:
        await Wallets(conn).lock_wallet((await payee_store.get_payee(conn, payee_id)).account_id, now)
        payee = await payee_store.lock_payee(conn, payee_id)
        if payee.removed_at is not None:
            return payee
        if await withdrawal_store.count_open_to(conn, payee_id):
            raise Conflict(f"a withdrawal to {payee.shown_id} is still open").because(ErrorReason.PAYEE_IN_USE)
        return await payee_store.set_removed(conn, payee_id, now)


async def check_payee(conn: asyncpg.Connection, funding: Funding, account_id: UUID, payee_id: UUID) -> SavedPayee:
    """Return a payee that may be paid now. Raises Missing, also for another account's; Conflict."""
    payee = await payee_store.lock_payee(conn, payee_id)
    if payee.account_id != account_id:
        raise Missing(f"the account has no payee {payee.shown_id}")
    if payee.removed_at is not None:
        raise Conflict(f"{payee.shown_id} was removed").because(ErrorReason.PAYEE_REMOVED)
    policy, now = funding.policy().withdrawals, funding.world.clock.now()
    if not is_payable(policy, payee, now):
        raise Conflict(f"{payee.shown_id} is not verified yet: ask the operator").because(
            ErrorReason.PAYEE_NOT_VERIFIED
        )
    return payee


def payee_kinds(funding: Funding) -> Mapping[str, frozenset[str]]:
    """Return the kinds of addresses that each paying processor can pay to."""
    paying = {name: each for name, each in funding.processors.items() if ProcessorAbility.PAY_OUT in each.abilities}
    return {name: each.payee_kinds for name, each in paying.items()}


def is_payable(policy: WithdrawalPolicy, payee: SavedPayee, now: datetime) -> bool:
    """Return whether a payee is verified, or has been known for the edition's number of days."""
    waited = bool(policy.payee_days) and now >= payee.added_at + timedelta(days=policy.payee_days)
    return payee.verified_at is not None or waited


async def read_payee(conn: asyncpg.Connection, payee: SavedPayee) -> Payee:
    """Return the payee for its processor. Raises Conflict if the address is not the one that was added."""
    address = await payee_store.find_address(conn, payee.id)
    if address is None or _digest(payee.kind, address) != payee.digest:
        raise Conflict(f"the address of {payee.shown_id} is not the one that was added").because(
            ErrorReason.PAYEE_ADDRESS_CHANGED
        )
    return Payee(payee.kind, address.address)


async def _check_room(conn: asyncpg.Connection, account_id: UUID, now: datetime) -> None:
    """Raise Conflict if the account has too many payees, RateLimited if too many were added today."""
    await Wallets(conn).lock_wallet(account_id, now)  # so that no other process adds one meanwhile
    if await payee_store.count_payees(conn, account_id) >= MOST:
        raise Conflict(f"the account has {MOST} payees: remove one first").because(ErrorReason.PAYEES_MOST, most=MOST)
    if await count_attempt(conn, ADDED, account_id.bytes, now) is not None:
        raise RateLimited(f"{ADDED.most} payees were added today: try again tomorrow").because(
            ErrorReason.PAYEES_DAY, most=ADDED.most
        )


def _digest(kind: str, address: PayeeAddress) -> bytes:
    return hashlib.sha256(b"\0".join((address.salt, kind.encode(), address.address.encode()))).digest()


def _check(funding: Funding, wanted: NewPayee) -> None:
    """Raise Rejected if a new payee is not valid."""
    paying = payee_kinds(funding)
    if wanted.processor not in paying:
        names = " or ".join(paying) or "no configured processor"
        raise Rejected(f"payouts are made by {names}", param="processor").because(
            ErrorReason.PAYOUTS_BY, processors=", ".join(paying)
        )
    if wanted.kind not in paying[wanted.processor]:
        raise Rejected(
            f"{wanted.processor} pays only to {' or '.join(sorted(paying[wanted.processor]))}", param="kind"
        ).because(ErrorReason.PAYEE_KIND, kinds=", ".join(sorted(paying[wanted.processor])))
    address = wanted.address
    if not 3 <= len(address) <= _LONGEST or not address.isprintable() or address != address.strip():
        raise Rejected(f"an address must have 3 to {_LONGEST} printable characters", param="address").because(
            ErrorReason.PAYEE_ADDRESS_INVALID, most=_LONGEST
        )
    if not wanted.actor.strip():
        raise Rejected("say who adds the payee", param="actor")
