"""A database works only with the root secret that it was created with."""

import asyncpg
import pytest

from tokenharbor.db.fingerprint import check_fingerprint
from tokenharbor.kernel.errors import Misconfigured


async def test_another_secret_is_refused_and_the_first_goes_on(database_url: str) -> None:
    conn = await asyncpg.connect(database_url)
    try:
        await check_fingerprint(conn, b"first")
        await check_fingerprint(conn, b"first")
        with pytest.raises(Misconfigured, match=r"secret\.key"):
            await check_fingerprint(conn, b"second")
        await check_fingerprint(conn, b"first")
    finally:
        await conn.close()
