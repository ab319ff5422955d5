"""Journals that were set aside lose their metadata where the edition deletes it, and nowhere else."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.ledger.test_journal import NOON, settlement, written

from tokenharbor.editions.load import load_edition
from tokenharbor.editions.policy import Policy
from tokenharbor.jobs import refused_journals
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.ledger.journal import read_journal, set_journal_aside


def purge_twice(folder: Path, edition: str, monkeypatch: pytest.MonkeyPatch) -> Sequence[Any]:
    """The first purge is over when the second looks at the policy; what was logged."""
    monkeypatch.setattr(refused_journals, "_EVERY_SECONDS", 0)
    asked: list[None] = []
    clock = ManualClock(NOON + timedelta(days=8))

    async def purge() -> None:
        again = asyncio.Event()

        def policy() -> Policy:
            asked.append(None)
            if len(asked) > 1:
                again.set()
            return load_edition(edition)

        task = asyncio.create_task(refused_journals.purge_refused_journals(folder, policy, clock))
        async with asyncio.timeout(20):
            await again.wait()
        task.cancel()

    with capture_logs() as logs:
        asyncio.run(purge())
    return logs


@pytest.fixture
def aside(tmp_path: Path) -> Path:
    _, file = asyncio.run(written(tmp_path / "journal", 1))
    set_journal_aside(file)
    return file.with_suffix(".refused")


def test_what_is_older_than_the_edition_keeps_it_is_purged(aside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs = purge_twice(aside.parent, "token-hub", monkeypatch)
    assert [log["event"] for log in logs] == ["journal_purged"]
    (kept,) = read_journal(aside)
    assert (kept.request_id, kept.cost, kept.detail) == (settlement(1).request_id, settlement(1).cost, b"")


def test_a_damaged_file_is_told_and_ends_nothing(aside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aside.write_bytes(b"0 nonsense\n")
    first, *_ = purge_twice(aside.parent, "token-hub", monkeypatch)
    assert first["event"] == "journal_not_purged"
    assert aside.name in first["reason"]


def test_an_edition_that_keeps_metadata_purges_nothing(aside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = aside.read_bytes()
    assert purge_twice(aside.parent, "token-harbor", monkeypatch) == []
    assert aside.read_bytes() == before
