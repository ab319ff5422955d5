"""Sealed answers in memory: bounded in bytes, dropped when they expire, and opened only with their own key."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tokenharbor.cache.answers import AnswerSource, CachedAnswer
from tokenharbor.cache.exact import ExactCache
from tokenharbor.cache.keys import CacheKey, KeyMaker
from tokenharbor.cache.memory import SealedMemory
from tokenharbor.cache.pace import Pace
from tokenharbor.cache.seal import seal, unseal
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.entropy import SystemEntropy
from tokenharbor.kernel.secret import DerivedSecret
from tokenharbor.kernel.usage import Usage

START = datetime(2026, 1, 1, tzinfo=UTC)
MOST = 64 << 10


def answer(body: bytes) -> CachedAnswer:
    return CachedAnswer("openai_chat", False, True, AnswerSource("a", "b", ""), Usage(input=1, output=2), body)


def keys(*facts: object) -> CacheKey:
    return KeyMaker(DerivedSecret("", b"s" * 32)).prefix("scope").key(facts)


def test_an_answer_is_gone_after_its_time_by_the_monotonic_clock() -> None:
    clock = ManualClock(START)
    cache = ExactCache(SealedMemory(clock), SystemEntropy())
    cache.store(keys(1), answer(b"hello"), 300, MOST)
    clock.advance(timedelta(seconds=299.9))
    assert cache.find(keys(1)) == answer(b"hello")
    clock.advance(timedelta(seconds=0.1))
    assert cache.find(keys(1)) is None, "to ask for it does not keep it longer"
    assert (len(cache.memory), cache.memory.bytes) == (0, 0)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 6_000), st.booleans()), max_size=120))
def test_memory_never_exceeds_its_bound_and_what_is_found_is_what_was_kept_last(
    steps: list[tuple[int, int, bool]],
) -> None:
    memory, last = SealedMemory(ManualClock(START)), dict[bytes, bytes]()
    for number, size, looks in steps:
        name = b"%d" % number
        if looks:
            assert memory.get(name) in (None, last.get(name))
        else:
            value = bytes([number]) * size
            memory.set(name, value, 300, MOST)
            if size + 300 <= MOST // 16:
                last[name] = value
                assert memory.get(name) == value
        assert memory.bytes <= MOST
        assert memory.bytes == sum(len(entry.sealed) + 300 for entry in memory._entries.values())


def test_what_has_expired_is_forgotten_though_nobody_asks() -> None:
    clock = ManualClock(START)
    memory = SealedMemory(clock)
    for number in range(10):
        memory.set(b"%d" % number, b"x" * 100, 300, MOST)
        clock.advance(timedelta(seconds=60))
    memory.sweep()
    assert list(memory._entries) == [b"%d" % number for number in range(6, 10)]
    clock.advance(timedelta(seconds=300))
    memory.sweep()
    assert (len(memory), memory.bytes, len(memory._ages)) == (0, 0, 0)


def test_what_was_asked_for_least_lately_goes_first() -> None:
    memory = SealedMemory(ManualClock(START))
    for number in range(18):
        memory.set(b"%d" % number, b"x" * 3_500, 300, MOST)
        memory.get(b"0")
    assert memory.get(b"0") is not None
    assert memory.get(b"1") is None
    assert memory.evicted > 0


def test_an_answer_is_opened_by_its_own_key_alone() -> None:
    sealed = seal(keys(1), answer(b"marked"), SystemEntropy())
    assert b"marked" not in sealed
    assert unseal(keys(1), sealed) == answer(b"marked")
    assert seal(keys(1), answer(b"marked"), SystemEntropy()) != sealed, "no nonce is used twice"
    for other in (keys(2), CacheKey(keys(2).name, keys(1).seal), CacheKey(keys(1).name, keys(2).seal)):
        assert unseal(other, sealed) is None
    for at in range(0, len(sealed), 7):
        assert unseal(keys(1), sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]) is None
    assert unseal(keys(1), b"") is None


def test_facts_do_not_run_into_each_other() -> None:
    made = {keys("ab", "c"), keys("a", "bc"), keys("abc"), keys(("a", "b"), "c"), keys("a", ("b", "c")), keys(b"abc")}
    assert len(made) == 6


def test_replays_leave_no_faster_than_their_pace() -> None:
    clock = ManualClock(START)
    pace = Pace(clock, 1_000)
    waits = [pace.take(400) for _ in range(5)]
    assert waits == [0, 0, 0, 0.2, 0.6]
    clock.advance(timedelta(seconds=10))
    assert pace.take(400) == 0
