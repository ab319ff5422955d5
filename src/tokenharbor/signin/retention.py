"""Deletion of old data of sign-in: ended sessions with their addresses, used tokens, mails, counted attempts."""

from datetime import timedelta
from typing import Final

import asyncpg

from tokenharbor.editions.policy import Policy
from tokenharbor.identity.attempts import purge_attempts
from tokenharbor.identity.changes import forget_addresses
from tokenharbor.identity.connections import purge_connections
from tokenharbor.identity.passkeys import purge_challenges
from tokenharbor.identity.sessions import purge_sessions
from tokenharbor.identity.tokens import purge_tokens
from tokenharbor.identity.user_mails import purge_mails
from tokenharbor.identity.users import purge_users
from tokenharbor.kernel.world import World
from tokenharbor.signin.change_email import UNDO_LASTS
from tokenharbor.signin.limits import LONGEST_WINDOW
from tokenharbor.signin.undo import BEFORE

MOST_DAYS: Final = 30
"""Days after which they are deleted, unless the edition states fewer."""

INVITATIONS_LAST: Final = BEFORE + UNDO_LASTS
"""How long used invitations are kept at least: the undo of an e-mail change finds in them whom the attacker invited."""


async def purge_sign_in(conn: asyncpg.Connection, world: World, policy: Policy) -> None:
    """Delete old data; called by a job. Deletes addresses in the audit log if the edition limits metadata."""
    now, stated = world.clock.now(), policy.retention.metadata_days
    before = now - timedelta(days=min(stated, MOST_DAYS) if stated else MOST_DAYS)
    await purge_sessions(conn, before)
    await purge_tokens(conn, before, min(before, now - INVITATIONS_LAST))
    await purge_mails(conn, before)
    await purge_users(conn, before)
    await purge_connections(conn, before)
    await purge_attempts(conn, now - LONGEST_WINDOW)
    await purge_challenges(conn, now)
    if stated:
        await forget_addresses(conn, now - timedelta(days=stated))
