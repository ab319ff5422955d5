"""What the database says has changed, and who reads it anew."""

from collections.abc import Awaitable, Callable

from tokenharbor.db.listen import Notification, NotificationListener
from tokenharbor.identity.ring import KeyRing


async def follow_notices(listener: NotificationListener, ring: KeyRing, reload: Callable[[], Awaitable[None]]) -> None:
    """Keys are read anew whatever changed, the rest where a provider's credential did, or may have."""
    async for news in listener:
        ring.refresh_soon()
        if not isinstance(news, Notification) or news.payload == "credential":
            await reload()
