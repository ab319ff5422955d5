"""Ids: UUIDv7 that never repeat, sort by time, and parse from their shown form."""

import re
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID, SafeUUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.entropy import SeededEntropy
from tokenharbor.kernel.world import make_world, real_world

START = datetime(2026, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)


class BackwardsClock(ManualClock):
    """A clock that goes back by a second at each reading."""

    def unix_ms(self) -> int:
        self.advance(timedelta(seconds=-1))
        return super().unix_ms()


class NoEntropy:
    """The worst luck: always the same bytes."""

    def bytes(self, count: int) -> bytes:
        return b"\xff" * count


def test_an_id_is_a_version_7_uuid_of_its_time() -> None:
    made = make_world(ManualClock(START), SeededEntropy(1)).ids.new()
    assert (made.version, made.variant, made.is_safe) == (7, RFC_4122, SafeUUID.unknown)
    assert ids.made_at(made) == START
    assert UUID(str(made)) == made
    assert hash(UUID(str(made))) == hash(made)


def test_ids_never_repeat_nor_go_backwards() -> None:
    world = real_world()
    made = [world.ids.new() for _ in range(5_000)]
    assert len(set(made)) == len(made)
    assert made == sorted(made)


def test_series_of_one_millisecond_share_no_id() -> None:
    source = ids.Ids(ManualClock(START), SeededEntropy(1))
    series = [source.series("req") for _ in range(50)]
    shown = [one.next().decode() for _ in range(20) for one in series]
    own = [ids.show("req", source.new()) for _ in range(20)]
    assert len({*shown, *own}) == len(shown) + len(own)
    assert {ids.made_at(ids.parse("req", text)) for text in shown} == {START}


def test_ids_go_on_where_the_clock_is_set_back() -> None:
    source = ids.Ids(BackwardsClock(START), SeededEntropy(1))
    made = [source.new() for _ in range(100)]
    assert made == sorted(set(made))


def test_ids_go_on_where_randomness_repeats() -> None:
    clock = ManualClock(START)
    source = ids.Ids(clock, NoEntropy())
    made = [source.new() for _ in range(3)]
    clock.advance(timedelta(milliseconds=5))
    made.append(source.new())
    assert made == sorted(set(made))


@given(st.uuids())
def test_what_is_shown_reads_back(uuid: UUID) -> None:
    text = ids.show("req", uuid)
    assert re.fullmatch(r"req_[0-9a-v]{26}", text)
    assert ids.parse("req", text) == uuid


@given(st.uuids(), st.uuids())
def test_what_is_shown_sorts_like_the_ids(one: UUID, other: UUID) -> None:
    assert (ids.show("key", one) < ids.show("key", other)) == (one < other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "req_",
        "acct_00000000000000000000000000",
        "req_0000000000000000000000000",
        "req_000000000000000000000000000",
        "req_0000000000000000000000000W",
        "req_0000000000000000000000000w",
        "req_00000000000000000000000001",  # bits beyond 128: a second spelling of the same id
        "REQ_00000000000000000000000000",
        "00000000000000000000000000",
        "req_٠0000000000000000000000000",
    ],
)
def test_anything_else_is_no_id(text: str) -> None:
    with pytest.raises(ValueError, match="req_"):
        ids.parse("req", text)
