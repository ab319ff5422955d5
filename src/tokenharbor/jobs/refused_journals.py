"""The purge of journals that were set aside. They are files of each HOME, so every gateway purges its own."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog

from tokenharbor.editions.policy import Policy
from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.ledger.journal import purge_refused

_EVERY_SECONDS: Final = 3600
_log = structlog.get_logger("journal")


async def purge_refused_journals(folder: Path, policy: Callable[[], Policy], clock: Clock) -> None:
    """Purge the metadata that the edition no longer keeps, now and then every hour, until cancelled."""
    while True:
        days = policy().retention.metadata_days
        if days:
            try:
                purged = await asyncio.to_thread(purge_refused, folder, clock.now() - timedelta(days=days))
            except Misconfigured as error:
                _log.error("journal_not_purged", reason=str(error))
            else:
                if purged:
                    _log.info("journal_purged", requests=purged)
        await asyncio.sleep(_EVERY_SECONDS)
