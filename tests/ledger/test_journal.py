"""A journal's file: acknowledged settlements are read back, a torn end is not, and any other damage is reported."""

import asyncio
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.payer import Payer
from tokenharbor.ledger.journal import (
    Journal,
    left_journals,
    open_journal,
    purge_refused,
    read_journal,
    set_journal_aside,
)
from tokenharbor.ledger.types import Product, Settlement

GATEWAY = UUID(int=7)
NOON = datetime(2026, 11, 25, 12, 0, 0, 123456, tzinfo=UTC)


def settlement(number: int) -> Settlement:
    payer, product = Payer(UUID(int=1), UUID(int=2)), Product("m", "p", "e", "eu", bytes(range(32)))
    end = (UUID(int=number), payer, product, "complete", b'{"a": 1}', bytes(range(16)), NOON)
    return Settlement(*end, Usd(10), Usd(1), Usd(8), Usd(12))


async def written(folder: Path, *numbers: int) -> tuple[Journal, Path]:
    """Each in a line of its own."""
    journal = open_journal(folder, GATEWAY)
    for number in numbers:
        await journal.append(settlement(number))
    (file,) = left_journals(folder)
    return journal, file


@contextmanager
def no_file_grows_beyond(size: int) -> Iterator[None]:
    """As on a full disk: for this process, and only for as long as nothing else writes files."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_F3_what_was_appended_is_read_back_to_the_nano(tmp_path: Path) -> None:
    _, file = await written(tmp_path / "journal", 1, 2)
    assert read_journal(file) == [settlement(1), settlement(2)]
    assert all(type(read.cost) is Usd for read in read_journal(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_F3_what_is_appended_in_one_moment_shares_a_line(tmp_path: Path) -> None:
    journal, file = await written(tmp_path)
    await asyncio.gather(*[journal.append(settlement(number)) for number in range(300)])
    assert file.read_bytes().count(b"\n") == 1
    assert read_journal(file) == [settlement(number) for number in range(300)]


async def test_F3_the_file_is_emptied_once_all_is_confirmed_and_removed_at_the_end(tmp_path: Path) -> None:
    journal, file = await written(tmp_path, 1, 2)
    journal.confirm(UUID(int=2))
    assert len(read_journal(file)) == 2
    journal.confirm(UUID(int=1))
    await journal.append(settlement(3))
    assert read_journal(file) == [settlement(3)]
    journal.confirm(UUID(int=3))
    await journal.close()
    assert left_journals(tmp_path) == []


async def test_a_refused_charge_loses_its_metadata_and_keeps_its_money(tmp_path: Path) -> None:
    journal, file = await written(tmp_path / "journal", 1, 2)
    late = msgspec.structs.replace(settlement(3), at=NOON + timedelta(days=1))
    await journal.append(late)
    set_journal_aside(file)
    aside = file.with_suffix(".refused")
    assert purge_refused(file.parent, NOON) == 0
    before = aside.read_bytes()
    assert b'"m"' in before
    assert purge_refused(file.parent, NOON + timedelta(hours=1)) == 2
    one, two, three = read_journal(aside)
    assert three == late
    plain = Product("", "", "e")
    for kept, was in ((one, settlement(1)), (two, settlement(2))):
        bare = {"product": plain, "status": "", "detail": b"", "salt": b"", "tokens": 0}
        assert kept == msgspec.structs.replace(was, **bare)
    assert (purge_refused(file.parent, NOON + timedelta(hours=1)), stat.S_IMODE(aside.stat().st_mode)) == (0, 0o600)


async def test_F3_what_is_not_confirmed_outlives_its_gateway(tmp_path: Path) -> None:
    journal, file = await written(tmp_path, 1, 2)
    journal.confirm(UUID(int=2))
    await journal.close()
    assert settlement(1) in read_journal(file)


async def test_F3_a_torn_last_line_is_left_out_wherever_it_was_torn(tmp_path: Path) -> None:
    _, file = await written(tmp_path, 1, 2)
    whole = file.read_bytes()
    first = whole.index(b"\n") + 1
    for end in (first + 1, first + 20, len(whole) - 1):
        file.write_bytes(whole[:end])
        assert read_journal(file) == [settlement(1)]
    file.write_bytes(whole[:first] + bytes(300))
    assert read_journal(file) == [settlement(1)]


async def test_F3_any_other_damage_names_file_and_line(tmp_path: Path) -> None:
    _, file = await written(tmp_path, 1, 2, 3)
    whole = file.read_bytes()
    second = whole.index(b"\n") + 1
    for place in (0, 40, second + 50, len(whole) - 9):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(Misconfigured, match="line") as caught:
            read_journal(file)
        assert str(file) in str(caught.value)
    file.write_bytes(whole[second:].replace(b"\n", b"\n\n", 1))
    with pytest.raises(Misconfigured, match="line 2"):
        read_journal(file)


async def test_F3_a_full_disk_is_said_and_leaves_nothing_behind(tmp_path: Path) -> None:
    journal, file = await written(tmp_path, 1)
    with no_file_grows_beyond(file.stat().st_size + 100), pytest.raises(OSError, match="large"):
        await journal.append(settlement(2))
    assert read_journal(file) == [settlement(1)]
    await journal.append(settlement(3))
    assert read_journal(file) == [settlement(1), settlement(3)]


async def test_F3_a_journal_that_was_removed_keeps_nothing_and_says_so(tmp_path: Path) -> None:
    journal, file = await written(tmp_path, 1)
    file.unlink()
    with pytest.raises(FileNotFoundError) as caught:
        await journal.append(settlement(2))
    assert str(file) in str(caught.value)


async def test_F3_a_journal_that_was_moved_with_its_home_is_written_on(tmp_path: Path) -> None:
    journal, file = await written(tmp_path / "journal", 1)
    moved = file.parent.rename(tmp_path / "moved")
    await journal.append(settlement(2))
    assert read_journal(moved / file.name) == [settlement(1), settlement(2)]


def test_F3_a_journal_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / f"{GATEWAY}.journal").mkdir()
    (file,) = left_journals(tmp_path)
    with pytest.raises(Misconfigured) as caught:
        read_journal(file)
    assert str(file) in str(caught.value)


def test_F3_a_folder_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("")
    with pytest.raises(Misconfigured):
        open_journal(tmp_path / "journal", GATEWAY)
