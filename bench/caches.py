"""What the exact cache adds to a request, in this process alone: `python -m bench.caches`.

A miss: the request's key is made, nothing is found, and its answer is sealed and kept. A hit: the key is made, the
answer found, opened and written anew for its caller. Hold and settlement are those of any request, and measured by the
row "kept answers" of `python -m bench`.

The bounds, 5 µs for a miss and 300 for a hit, are for a machine where nginx passes such a request on for 16 µs. So each
cost is shown beside nginx's in the same run, too.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import process_time
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from bench.bodies import SMALL, chat_answer, messages_body, request_body
from bench.load import Load, run_wrk
from bench.machine import Started, cpu_seconds, pin
from bench.nginx import start_proxy, start_vendor
from bench.rows import CHAT, GATEWAY_CORE, OTHER_CORES
from tokenharbor.billing.meter import MeterState
from tokenharbor.cache.answers import AnswerSource, CachedAnswer
from tokenharbor.cache.exact import ExactCache
from tokenharbor.cache.keys import KeyMaker
from tokenharbor.cache.memory import SealedMemory
from tokenharbor.cache.pace import Pace
from tokenharbor.editions.load import load_edition
from tokenharbor.gateway.cache_lane import CacheLane
from tokenharbor.gateway.caching import Caching
from tokenharbor.gateway.call import MeteredCall
from tokenharbor.gateway.note_cache import NoteCache
from tokenharbor.gateway.replay import answer_parts
from tokenharbor.kernel.secret import DerivedSecret
from tokenharbor.kernel.usage import Usage
from tokenharbor.kernel.world import real_world
from tokenharbor.wire import DIALECTS
from tokenharbor.wire.neutral.dialect import Dialect
from tokenharbor.wire.neutral.request import Request

_TIMES, _ROUNDS = 4_000, 7
_MISS_US, _HIT_US, _NGINX_US = 5, 300, 16
_USAGE = Usage(input=284, cache_read=128, output=256)
_WORDS = "The quay lay quiet, and the harbor master counted each crate twice before he signed. " * 12


class CacheBench:
    """One request of a dialect, and a cache of its own."""

    def __init__(self, dialect: Dialect, body: bytes) -> None:
        self.world = real_world()
        self.dialect = dialect
        self.body = body.replace(b',"temperature":0.2', b"")
        self.request = dialect.read_request(self.body, None)
        clock = self.world.clock
        self.exact = ExactCache(SealedMemory(clock), self.world.entropy)
        self.caching = Caching(KeyMaker(DerivedSecret("", b"k" * 32)), self.exact, Pace(clock, 1 << 40))
        self.lane = CacheLane(b"s" * 32, ("bench", [("bench:x", "bench-upstream", "https://x")]), _POLICY)
        served = SimpleNamespace(provider="bench", upstream_model="bench-upstream", region="")
        self.ready: Any = SimpleNamespace(served=served, name="bench:x", model=SimpleNamespace(name="bench"))
        self.plan: Any = SimpleNamespace(endpoints=(self.ready,))
        self.notes = NoteCache(clock)
        self.exchange: Any = SimpleNamespace(header_map={}, query="", disconnected=False)
        head, tail = chat_answer()
        self.answer = f"{head}{_WORDS}{tail}".encode()
        self.number = 0

    def call(self) -> MeteredCall:
        call = MeteredCall(self.exchange, self.dialect, self.world)
        meter = call.meter
        meter.payer = cast("Any", SimpleNamespace(account_id=None, key_id=None))
        meter.state, meter.status, meter.ended, meter.usage = MeterState.CLOSED, "complete", True, _USAGE
        return call

    def nothing(self) -> None:
        """What each of the others does beside the cache."""
        self.call()

    def miss(self) -> None:
        self.number += 1
        request = self.asked(self.number)
        call = self.call()
        cacheable = self.caching.prepare(call, self.lane, request)
        assert cacheable is not None
        assert self.caching.find_local(cacheable, self.plan) is None
        cacheable.store(call, self.ready, request, self.answer)

    def asked(self, number: int) -> Request:
        """The request with another maximum."""
        return msgspec.structs.replace(self.request, max_output=number)

    def other(self) -> None:
        """What `miss` does beside the cache."""
        self.number += 1
        self.asked(self.number)
        self.call()

    def hit(self) -> None:
        call = self.call()
        cacheable = self.caching.prepare(call, self.lane, self.request)
        assert cacheable is not None
        found = self.caching.find_local(cacheable, self.plan)
        assert found is not None
        answer_parts(call, self.request, found, self.notes)

    def keep(self, answer: CachedAnswer) -> None:
        cacheable = self.caching.prepare(self.call(), self.lane, self.request)
        assert cacheable is not None
        self.exact.store(cacheable.key, answer, 300, self.lane.most_bytes)


_POLICY = load_edition("token-harbor").cache


def cost_us(work: Callable[[], None]) -> float:
    """Microseconds of CPU, the median of some rounds."""
    found = []
    for _ in range(_ROUNDS):
        began = process_time()
        for _ in range(_TIMES):
            work()
        found.append((process_time() - began) / _TIMES * 1e6)
    return median(found)


def kept(content: bytes, ending: bytes = b"") -> CachedAnswer:
    stream = bool(ending)
    source = AnswerSource("bench", "bench-upstream", "")
    return CachedAnswer("openai_chat", stream, not stream, source, _USAGE, content, ending)


def stream_of(pieces: int) -> tuple[bytes, bytes]:
    """A stream of so many pieces, and its ending."""
    chunk = (
        b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1763683200,"model":"bench-upstream",'
        b'"choices":[{"index":0,"delta":%b,"finish_reason":%b}]}\n\n'
    )
    content = chunk % (b'{"role":"assistant","content":""}', b"null")
    content += (chunk % (b'{"content":" quay"}', b"null")) * pieces
    return content, chunk % (b"{}", b'"stop"') + b"data: [DONE]\n\n"


def nginx_us(seconds: float = 4) -> float:
    """Microseconds of CPU in which nginx passes a request of this size on."""
    started = Started(Path(tempfile.mkdtemp(prefix="caches-")))
    try:
        _, vendor = start_vendor(started)
        proxy, port = start_proxy(started, vendor, vendor)
        pin(proxy.pid, GATEWAY_CORE)
        load = Load(f"http://127.0.0.1:{port}/small{CHAT}", request_body("bench", SMALL), ("nobody",))
        before = cpu_seconds(proxy.pid)
        answered = run_wrk(started.folder, load, seconds, OTHER_CORES)
        return (cpu_seconds(proxy.pid) - before) / answered.good * 1e6
    finally:
        started.stop_all()
        shutil.rmtree(started.folder, ignore_errors=True)


def main() -> None:
    before = nginx_us()
    costs = list(measure())
    nginx = median((before, nginx_us()))
    print(f"nginx, a request: {nginx:.1f} µs")
    for name, cost, bound in costs:
        print(f"{name}: {cost:.1f} µs, {cost / nginx:.2f} of nginx's (bound {bound / _NGINX_US:.2f})")


def measure() -> Iterator[tuple[str, float, float]]:
    """What was measured, its microseconds, and its bound."""
    chat = CacheBench(DIALECTS["openai_chat"], request_body("bench", SMALL))
    yield "a miss, 2 KiB body, 1 KiB answer", cost_us(chat.miss) - cost_us(chat.other), _MISS_US
    base = cost_us(chat.nothing)
    chat.keep(kept(chat.answer))
    yield "a hit, whole", cost_us(chat.hit) - base, _HIT_US
    streamed = CacheBench(DIALECTS["openai_chat"], request_body("bench", SMALL, stream=True))
    for pieces in (50, 250):
        content, ending = stream_of(pieces)
        streamed.keep(kept(content, ending))
        yield f"a hit, a stream of {pieces} pieces", cost_us(streamed.hit) - base, _HIT_US
    across = CacheBench(DIALECTS["anthropic_messages"], messages_body("bench", SMALL, stream=True))
    content, ending = stream_of(50)
    across.keep(kept(content, ending))
    yield "a hit, a chat stream of 50 pieces for a Messages client", cost_us(across.hit) - base, _HIT_US


if __name__ == "__main__":
    main()
