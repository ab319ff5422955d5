"""What the database says has changed, and who reads it anew."""

from tokenharbor.db.listen import NotificationListener
from tokenharbor.identity.credentials import CredentialWatch
from tokenharbor.identity.ring import KeyRing


async def follow_notices(listener: NotificationListener, ring: KeyRing, credentials: CredentialWatch) -> None:
    """Each of them asks the database what has changed, if anything: it is a short query."""
    async for _ in listener:
        ring.refresh_soon()
        credentials.check_soon()
