"""How often somebody may try: limits by address, by e-mail and by user, over any number of processes.

An attempt counts before it is looked at, in a transaction of its own. So parallel guesses count, and a guess that fails
is not forgotten with its transaction. Whoever guesses from many addresses is stopped by the limit of the e-mail alone,
which is wide, so that nobody locks others out from one address.
"""

import math
from collections.abc import Sequence
from datetime import timedelta
from ipaddress import IPv6Address, ip_network
from typing import Final

from tokenharbor.identity.attempts import AttemptLimit, count_attempt, forget_attempts
from tokenharbor.identity.sessions import Visitor
from tokenharbor.kernel.errors import RateLimited
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.signin.context import SignIn

_QUARTER = timedelta(minutes=15)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)

GUESSES_HERE: Final = AttemptLimit("guess_here", 10, _QUARTER)
"""Passwords of one e-mail from one address."""
GUESSES: Final = AttemptLimit("guess", 100, _HOUR)
"""Passwords of one e-mail from anywhere."""
GUESSES_BY_ADDRESS: Final = AttemptLimit("guess_address", 50, _QUARTER)
CODES: Final = AttemptLimit("code", 10, _QUARTER)
"""Codes of one user's second factor: with three that are valid at a time, one guess in 300,000 is right."""
CODES_A_DAY: Final = AttemptLimit("code_day", 50, _DAY)
"""So that somebody who has the password guesses for centuries."""
MAILS: Final = AttemptLimit("mail", 5, _HOUR)
"""Mails to one mailbox that somebody asked for who is not signed in."""
MAILS_BY_ADDRESS: Final = AttemptLimit("mail_address", 20, _HOUR)
TOKENS_BY_ADDRESS: Final = AttemptLimit("token_address", 50, _QUARTER)
CODES_TYPED: Final = AttemptLimit("typed", 20, _QUARTER)
"""Codes of tools that one user types, to look at one, to agree or to refuse: each of them tells whether it is right."""
POLLS: Final = AttemptLimit("poll", 60, timedelta(minutes=2))
"""How often a tool asks for its key: it is to wait five seconds each time."""
POLLS_BY_ADDRESS: Final = AttemptLimit("poll_address", 2_000, _QUARTER)
ALERT_TESTS: Final = AttemptLimit("alert_test", 10, _QUARTER)
"""Of one account: each is a mail, and a post to an address that a customer chose."""
TOP_UP_LOOKS: Final = AttemptLimit("top_up_look", 300, timedelta(minutes=1))
"""How often an account's top-ups are looked at that somebody is paying: a page does so every two seconds."""
TOP_UP_READS: Final = AttemptLimit("top_up_read", 60, timedelta(minutes=1))
"""How many of those looks ask the processor; the others are answered from the books."""
EMAIL_CHANGES: Final = AttemptLimit("email_change", 5, _DAY)
"""Other addresses that one user asks for."""
INVITATIONS: Final = AttemptLimit("invitation", 50, _DAY)
"""Of one account."""
MANAGEMENT_KEYS: Final = AttemptLimit("management_key", 100, _DAY)
"""Of one account: those that were revoked stay in its list, so that one sees who had access."""

LONGEST_WINDOW: Final = _DAY


async def admit(sign_in: SignIn, tries: Sequence[tuple[AttemptLimit, str]]) -> None:
    """Count each, by its subject; "" is nobody's, and is not counted. Raises RateLimited."""
    now, waits = sign_in.world.clock.now(), []
    async with sign_in.acquire() as conn:
        for limit, subject in tries:
            if subject:
                waits.append(await count_attempt(conn, limit, _hashed(sign_in, limit, subject), now))
    longest = max((wait for wait in waits if wait is not None), default=None)
    if longest is not None:
        seconds = max(1, math.ceil(longest.total_seconds()))
        raise RateLimited(f"Too many attempts. Try again in {seconds} seconds.", retry_after=seconds).because(
            ErrorReason.TOO_MANY_ATTEMPTS, seconds=seconds
        )


async def allows(sign_in: SignIn, limit: AttemptLimit, subject: str) -> bool:
    """Count one more; whether it is within the limit."""
    async with sign_in.acquire() as conn:
        now = sign_in.world.clock.now()
        return await count_attempt(conn, limit, _hashed(sign_in, limit, subject), now) is None


async def forget(sign_in: SignIn, tries: Sequence[tuple[AttemptLimit, str]]) -> None:
    """They led to success, and count no more."""
    async with sign_in.acquire() as conn:
        for limit, subject in tries:
            await forget_attempts(conn, limit, _hashed(sign_in, limit, subject))


def network_of(visitor: Visitor) -> str:
    """The visitor's address, or the network of one of IPv6, as one person has it; "" if it is unknown."""
    address = visitor.ip
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or ip_network((address, 64), strict=False))
    return "" if address is None else str(address)


def mailbox_of(email: str) -> str:
    """The mailbox that `name+anything@domain` leads to, for limits: where it is one of its own, they share a limit."""
    name, _, domain = email.partition("@")
    return f"{name.partition('+')[0]}@{domain}"


def _hashed(sign_in: SignIn, limit: AttemptLimit, subject: str) -> bytes:
    return sign_in.hasher.hash(f"attempt {limit.scope}", subject)
