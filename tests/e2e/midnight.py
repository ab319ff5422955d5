"""Midnight: a budget that turned over in the middle of a test would let more through."""

import asyncio
from datetime import UTC, datetime, timedelta

_TEST_TAKES = timedelta(seconds=45)


async def away_from_midnight() -> None:
    """Wait until it is past, if it is near; months end then, too."""
    now = datetime.now(UTC)
    tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    if tomorrow - now < _TEST_TAKES:
        await asyncio.sleep((tomorrow - now).total_seconds() + 1)
