"""The refresh of keys and credentials after the database's notifications."""

from tokenharbor.db.listen import NotificationListener
from tokenharbor.identity.credentials import CredentialWatch
from tokenharbor.identity.ring import KeyRing


async def follow_notices(listener: NotificationListener, ring: KeyRing, credentials: CredentialWatch) -> None:
    """Refresh keys and credentials on each notification; both ask the database by a short query what has changed."""
    async for _ in listener:
        ring.refresh_soon()
        credentials.check_soon()
