"""An account with very many charges: totals and statement in bounded time, its requests as CSV in bounded memory."""

import resource
import time
from datetime import timedelta

import pytest
from tests.funding.test_statements import NAME, scene  # noqa: F401  a fixture
from tests.ledger.conftest import DETAIL, SOLD, START, VERSION, Scene
from tests.ledger.many import Spender

from tokenharbor.accounts.usage_export import UsageSpan, export_usage
from tokenharbor.funding.statements import StatementSpan, read_statement
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.ledger.rollup import read_totals, roll_up

_ENTRIES = 100_000
_MOST_SECONDS = 5
_READS = 5
_MOST_TOTALS_SECONDS = 0.05
_MOST_OWN_SECONDS = 0.1  # of our CPU: the database sums
_MOST_KIB = 48 * 1024
_PADDING = ',"attempts":"' + "x" * 500 + '"}'


@pytest.mark.slow
async def test_an_account_of_100000_charges_has_totals_in_50_ms_and_its_statement_in_5_s(scene: Scene) -> None:  # noqa: F811  it is that
    await scene.credit(10**13)
    detail = (DETAIL % (SOLD.model, scene.key))[:-1] + _PADDING
    first = START + timedelta(hours=1)
    await Spender(scene.conn, scene.account, scene.key, first, VERSION, detail.encode()).spend(_ENTRIES, days=30)
    await roll_up(scene.conn, scene.account)  # as the job does all the time
    assert min([await _read_totals(scene) for _ in range(_READS)]) < _MOST_TOTALS_SECONDS
    span = StatementSpan(START, START + timedelta(days=31))
    began, cpu = time.monotonic(), time.process_time()
    made = await read_statement(scene.conn, scene.account, span)
    took, own = time.monotonic() - began, time.process_time() - cpu
    assert sum(each.requests for each in made.charges) == _ENTRIES + _READS
    assert sum((each.cost for each in made.charges), ZERO) == Usd(1000 * (_ENTRIES + _READS))
    assert made.account.name == NAME
    middle = StatementSpan(START + timedelta(days=10), START + timedelta(days=12))
    some = await read_statement(scene.conn, scene.account, middle)
    assert sum(some.opening.values(), ZERO) + sum((each.amount for each in some.movements), ZERO) == sum(
        some.closing.values(), ZERO
    )
    peak, rows = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
    async for line in export_usage(scene.conn, scene.account, UsageSpan()):
        rows += line.count("\n")
    assert rows == _ENTRIES + _READS + 1
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    assert grown < _MOST_KIB
    assert took < _MOST_SECONDS
    assert own < _MOST_OWN_SECONDS


async def _read_totals(large: Scene) -> float:
    """Measure the seconds for a month's totals, with a charge that no job has added up yet."""
    before = await large.conn.fetchval("select spent from wallet where account_id = $1", large.account)
    large.clock.advance(timedelta(days=1))
    await large.spend(1000)
    began = time.monotonic()
    totals = await read_totals(
        large.conn, large.account, since=START, until=START + timedelta(days=31), by=("day", "key", "model", "provider")
    )
    took = time.monotonic() - began
    assert sum((each.charge for each in totals), ZERO) == before + 1000
    return took
