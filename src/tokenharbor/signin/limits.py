"""Limits of attempts by address, by e-mail and by user, across all processes.

An attempt is counted before it is checked, in a separate transaction. So parallel guesses are counted, and the count of
a failed guess is not rolled back. Guesses from many addresses are stopped by the limit of the e-mail address alone; it
is wide, so that one address cannot lock others out.
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
"""Passwords tried for one e-mail address from one network address."""
GUESSES: Final = AttemptLimit("guess", 100, _HOUR)
"""Passwords tried for one e-mail address from anywhere."""
GUESSES_BY_ADDRESS: Final = AttemptLimit("guess_address", 50, _QUARTER)
CODES: Final = AttemptLimit("code", 10, _QUARTER)
"""Codes of one user's second factor. Three are valid at a time, so one guess in about 300,000 is right."""
CODES_A_DAY: Final = AttemptLimit("code_day", 50, _DAY)
"""Makes guessing codes take years even with the password."""
MAILS: Final = AttemptLimit("mail", 5, _HOUR)
"""Mails to one mailbox requested without a sign-in."""
MAILS_BY_ADDRESS: Final = AttemptLimit("mail_address", 20, _HOUR)
TOKENS_BY_ADDRESS: Final = AttemptLimit("token_address", 50, _QUARTER)
CODES_TYPED: Final = AttemptLimit("typed", 20, _QUARTER)
"""Codes of tools typed by one user, to view, agree or refuse: each reveals whether the code exists."""
POLLS: Final = AttemptLimit("poll", 60, timedelta(minutes=2))
"""Polls of a tool for its key. It should wait five seconds between them."""
POLLS_BY_ADDRESS: Final = AttemptLimit("poll_address", 2_000, _QUARTER)
ALERT_TESTS: Final = AttemptLimit("alert_test", 10, _QUARTER)
"""Test alerts of one account. Each sends a mail, and a post to a URL chosen by a customer."""
TOP_UP_SYNCS: Final = AttemptLimit("top_up_look", 300, timedelta(minutes=1))
"""Updates of an account's unpaid top-ups. A page asks every two seconds."""
TOP_UP_READS: Final = AttemptLimit("top_up_read", 60, timedelta(minutes=1))
"""How many of those updates ask the processor. The others are answered from the database."""
EMAIL_CHANGES: Final = AttemptLimit("email_change", 5, _DAY)
"""Changes of e-mail address requested by one user."""
INVITATIONS: Final = AttemptLimit("invitation", 50, _DAY)
"""Invitations to one account."""
MANAGEMENT_KEYS: Final = AttemptLimit("management_key", 100, _DAY)
"""Management keys created for one account. Revoked ones stay in its list, to show who had access."""

LONGEST_WINDOW: Final = _DAY


async def admit(sign_in: SignIn, tries: Sequence[tuple[AttemptLimit, str]]) -> None:
    """Count an attempt against each limit, by subject. An empty subject is not counted. Raises RateLimited."""
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
    """Count an attempt; return whether it is within the limit."""
    async with sign_in.acquire() as conn:
        now = sign_in.world.clock.now()
        return await count_attempt(conn, limit, _hashed(sign_in, limit, subject), now) is None


async def reset_counts(sign_in: SignIn, tries: Sequence[tuple[AttemptLimit, str]]) -> None:
    """Reset these counts, after a successful attempt."""
    async with sign_in.acquire() as conn:
        for limit, subject in tries:
            await forget_attempts(conn, limit, _hashed(sign_in, limit, subject))


def network_of(visitor: Visitor) -> str:
    """Return the visitor's IPv4 address or IPv6 /64 network, which is one person's; "" if unknown."""
    address = visitor.ip
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or ip_network((address, 64), strict=False))
    return "" if address is None else str(address)


def mailbox_of(email: str) -> str:
    """Return the mailbox of `name+anything@domain`, so that all its forms share a limit."""
    name, _, domain = email.partition("@")
    return f"{name.partition('+')[0]}@{domain}"


def _hashed(sign_in: SignIn, limit: AttemptLimit, subject: str) -> bytes:
    return sign_in.hasher.hash(f"attempt {limit.scope}", subject)
