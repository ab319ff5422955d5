"""An account with very many entries is verified and exported in short pages: a bounded time each, bounded memory."""

import os
import resource
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from tests.ledger.conftest import DETAIL, SOLD, START, VERSION
from tests.ledger.many import Spender
from tests.ledger.test_export import no_payments

from tokenharbor.app.request_process import start_request_check
from tokenharbor.db.pool import ConnectOptions
from tokenharbor.ledger.export import EntryFilter, export
from tokenharbor.ledger.verify import verify

_ENTRIES = 100_000
_AT_LENGTH = 1_000_000
_PADDING = ',"attempts":"' + "x" * 500 + '"}'
_MOST_SECONDS = 60 / 1_000_000  # an entry, of the CPU of each process
_MOST_KIB = 48 * 1024


@pytest.mark.slow
async def test_an_account_of_100000_entries_verifies_and_exports_in_bounded_time_and_memory(
    lone_scene: Any, pytestconfig: pytest.Config
) -> None:
    """With `--at-length` 1,000,000; `-s` shows what verify took."""
    count = _AT_LENGTH if pytestconfig.getoption("at_length") else _ENTRIES
    await lone_scene.credit(10**13)
    detail = (DETAIL % (SOLD.model, lone_scene.key))[:-1] + _PADDING
    spender = Spender(
        lone_scene.conn, lone_scene.account, lone_scene.key, START + timedelta(hours=1), VERSION, detail.encode()
    )
    await spender.spend(count, days=30)
    session: Any = SimpleNamespace(conn=lone_scene.conn, database=ConnectOptions(lone_scene.url))
    began, peak, clock = _cpu_seconds(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    async with start_request_check(session) as requests:
        assert requests is not None
        report = await verify(lone_scene.conn, requests=requests)
    assert (report.fault, report.entries) == (None, count + 1)
    verified, took = _cpu_seconds(), time.perf_counter() - clock
    own, beside = (after - before for before, after in zip(began, verified, strict=True))
    print(f"verify: {took:.1f} s, of CPU {own:.1f} s and beside it {beside:.1f} s")
    rows = 0
    async for line in export(lone_scene.conn, lone_scene.account, EntryFilter(), no_payments):
        rows += line.count("\n")
    assert rows == count + 2
    assert max(own, beside) < _MOST_SECONDS * count
    assert _cpu_seconds()[0] - verified[0] < _MOST_SECONDS * count
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < _MOST_KIB


def _cpu_seconds() -> tuple[float, float]:
    """Of this process, and of those that it started and that have ended."""
    times = os.times()
    return times.user + times.system, times.children_user + times.children_system
