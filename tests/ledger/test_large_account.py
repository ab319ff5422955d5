"""An account with very many entries is verified and exported in short pages: a bounded time each, bounded memory."""

import resource
import time
from datetime import timedelta
from typing import Any

import pytest
from tests.ledger.conftest import DETAIL, SOLD, START, VERSION
from tests.ledger.many import Spender
from tests.ledger.test_export import no_payments

from tokenharbor.ledger.export import EntryFilter, export
from tokenharbor.ledger.verify import verify

_ENTRIES = 100_000
_PADDING = ',"attempts":"' + "x" * 500 + '"}'
_MOST_SECONDS = 60 / 1_000_000 * _ENTRIES  # of our own CPU
_MOST_KIB = 48 * 1024


@pytest.mark.slow
async def test_an_account_of_100000_entries_verifies_and_exports_in_bounded_time_and_memory(lone_scene: Any) -> None:
    await lone_scene.credit(10**13)
    detail = (DETAIL % (SOLD.model, lone_scene.key))[:-1] + _PADDING
    spender = Spender(
        lone_scene.conn, lone_scene.account, lone_scene.key, START + timedelta(hours=1), VERSION, detail.encode()
    )
    await spender.spend(_ENTRIES, days=30)
    began, peak = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = await verify(lone_scene.conn)
    assert (report.fault, report.entries) == (None, _ENTRIES + 1)
    verified = time.process_time()
    rows = 0
    async for line in export(lone_scene.conn, lone_scene.account, EntryFilter(), no_payments):
        rows += line.count("\n")
    assert rows == _ENTRIES + 2
    assert verified - began < _MOST_SECONDS
    assert time.process_time() - verified < _MOST_SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < _MOST_KIB
