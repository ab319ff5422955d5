"""Redemption codes: made by operators, redeemed by customers, once per account and never beyond their uses."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import asyncpg

from tokenharbor.editions.policy import Policy
from tokenharbor.identity.store import get_account
from tokenharbor.kernel.entropy import Entropy
from tokenharbor.kernel.errors import Conflict, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.kernel.world import World
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.rewards import store
from tokenharbor.rewards.grants import Incentive, check_claim, grant
from tokenharbor.rewards.types import RedemptionCode, Reward, RewardKind

_LETTERS: Final = "ABCDEFGHJKMNPQRSTVWXYZ0123456789"  # 32 characters that are not mistaken for one another
_LENGTH: Final = 20  # 100 bits: its plain digest cannot be reversed


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeTerms:
    """The terms of a new code: `amount` for each of `uses` accounts. `open_for` is how long it can be redeemed, `lasts`
    how long the credit then lasts; None: without limit.
    """

    amount: Usd
    uses: int
    note: str
    open_for: timedelta | None = None
    lasts: timedelta | None = None


@dataclass(frozen=True, slots=True)
class NewCode:
    """A new code and its text, which is stored nowhere."""

    code: RedemptionCode
    text: str


async def create_code(conn: asyncpg.Connection, world: World, terms: CodeTerms, *, actor: str) -> NewCode:
    """Create a code. Raises Rejected."""
    if terms.uses < 1:
        raise Rejected("a code must have at least one use", param="uses")
    now = world.clock.now()
    code = RedemptionCode(
        world.ids.new(),
        terms.amount,
        terms.lasts,
        terms.uses,
        0,
        now,
        None if terms.open_for is None else now + terms.open_for,
        None,
        terms.note,
        actor,
    )
    text = random_text(world.entropy, _LENGTH)
    await store.add_code(conn, code, _digest(text))
    return NewCode(code, "-".join(text[start : start + 5] for start in range(0, _LENGTH, 5)))


async def redeem(conn: asyncpg.Connection, world: World, policy: Policy, account_id: UUID, text: str) -> Reward:
    """Redeem a code for an account and return the reward.

    Raises Missing for the account or the code; Conflict if it cannot be redeemed (again); BooksRefused.
    """
    if not policy.grants.codes:
        raise Conflict(f"the edition {policy.name} does not offer codes").because(ErrorReason.CODES_NOT_OFFERED)
    async with conn.transaction():
        await get_account(conn, account_id)
        now = world.clock.now()
        await Wallets(conn).lock_wallet(account_id, now)  # before any row of this room
        code = await store.lock_code(conn, _digest(text))
        if code.revoked_at is not None or (code.expires_at is not None and code.expires_at <= now):
            raise Conflict("the code has expired or was revoked").because(ErrorReason.CODE_OVER)
        if not await store.add_redemption(conn, code.id, account_id, now):
            raise _redeemed()
        if code.used >= code.uses:
            raise Conflict("the code is used up").because(ErrorReason.CODE_USED_UP)
        await store.use_code(conn, code.id)
        incentive = Incentive(
            account_id=account_id,
            kind=RewardKind.CODE,
            key=f"{code.id}/{account_id}",
            amount=code.amount,
            expires_at=None if code.lasts is None else now + code.lasts,
        )
        return check_claim(await grant(conn, world, policy, incentive), _redeemed())


def _redeemed() -> Conflict:
    return Conflict("the account has already redeemed this code").because(ErrorReason.CODE_REDEEMED)


async def revoke_code(conn: asyncpg.Connection, world: World, code_id: UUID) -> RedemptionCode:
    """Revoke a code; credit that was redeemed stays. Raises Missing."""
    return await store.revoke_code(conn, code_id, world.clock.now())


def random_text(entropy: Entropy, length: int) -> str:
    """Return a random text in which all characters are equally likely."""
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in entropy.bytes(length))


def _digest(text: str) -> bytes:
    """Return the digest of a code, however it is written. A text that is no code gets a digest that no code has."""
    letters = "".join(text.upper().replace("-", "").split())
    return hashlib.sha256(letters.encode(errors="replace")).digest()
