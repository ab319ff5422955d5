"""The rows: each loads one thing for a while, and says what it cost; what is billed is checked against the books."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from time import perf_counter

from bench.bodies import LARGE, SMALL, gemini_body, messages_body, request_body, responses_body
from bench.house import House, LivePages, Snapshot, SoldModel, pause_between_rows
from bench.latency import LatencyProbe, in_turn, raw_request
from bench.load import Load, LoadResult, run_wrk
from bench.machine import Program, Started, all_cores, cpu_seconds, pin
from bench.streams import CHAT_MARKS, MESSAGES_MARKS, Marks, Streamed, read_streams

GATEWAY_CORE, OTHER_CORES = {0}, {1}
CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
GEMINI = "/v1beta/models/bench:generateContent"
STREAMS, CHUNKS, CHUNK_MS = 100, 400, 10
OPEN_STREAMS, OPEN_CHUNKS, OPEN_MS = 1_000, 12, 500
LONG_CHUNKS, LONG_MS = 400, 200
WALLETS = 1_000
PAGES = 100
_MOST_ADMITTED = 2  # where a window of the limited key ends meanwhile
MODELS = (
    SoldModel("bench", "bench", "bench-upstream"),
    SoldModel("bench-large", "benchlarge", "bench-upstream"),
    SoldModel("bench-messages", "benchmessages", "bench-upstream"),
    SoldModel("bench-chunks", "benchdrip", f"drip-{CHUNKS}-{CHUNK_MS}"),
    SoldModel("bench-open", "benchdrip", f"drip-{OPEN_CHUNKS}-{OPEN_MS}"),
    SoldModel("bench-long", "benchdrip", f"drip-{LONG_CHUNKS}-{LONG_MS}"),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """One short run: microseconds of CPU for each unit of work done, and how much of it was done a second."""

    proxy_us: float
    postgres_us: float
    rate: float
    busy: float  # of the proxy's core

    @staticmethod
    def middle(costs: Sequence["Cost"]) -> "Cost":
        return Cost(
            median(cost.proxy_us for cost in costs),
            median(cost.postgres_us for cost in costs),
            median(cost.rate for cost in costs),
            median(cost.busy for cost in costs),
        )


@dataclass
class BenchSetup:
    """Everything that runs while the rows are measured."""

    started: Started
    house: House
    proxy: Program
    ports: dict[str, int]
    keys: Sequence[str]
    seconds: float
    limited_key: str = ""  # of one request a minute
    billed: int = 0
    console_shares: list[float] = field(default_factory=list)  # of a core, while pages are open

    def check_books(self, good: int, cut: int = 0) -> int:
        """How many were charged: each 200, and at most those more whose readers were cut off at the end of the load."""
        billed = self.house.billed()
        new, self.billed = billed - self.billed, billed
        assert good <= new <= good + cut, f"{good} answers with 200, but {new} requests billed"
        return new

    def target(self, name: str, path: str = "") -> str:
        return f"http://127.0.0.1:{self.ports[name]}{path}{CHAT}"


def pin_apart(stage: BenchSetup) -> None:
    """The measured proxies on one core, everything else on the other."""
    stage.house.pin(GATEWAY_CORE, OTHER_CORES)
    pin(stage.proxy.pid, GATEWAY_CORE)
    for program in stage.started.programs:
        if program.name in ("vendor", "drip"):
            pin(program.pid, OTHER_CORES)


def pin_nothing(stage: BenchSetup) -> None:
    stage.house.pin(all_cores(), all_cores())
    for program in stage.started.programs:
        pin(program.pid, all_cores())


def gateway_requests(stage: BenchSetup, model: str, keys: Sequence[str], connections: int = 256) -> Cost:
    """Billed requests through the gateway, as fast as they go."""
    size = LARGE if model == "bench-large" else SMALL
    return _billed(stage, Load(stage.house.url(CHAT), request_body(model, size), keys, connections))


def kept_answers(stage: BenchSetup) -> Cost:
    """The same request again and again, without a temperature: after the first, the cache answers."""
    asked = request_body("bench", SMALL).replace(b',"temperature":0.2', b"")
    return _billed(stage, Load(stage.house.url(CHAT), asked, stage.keys[:1]))


def under_pages(stage: BenchSetup, keys: Sequence[str]) -> Cost:
    """The same while 100 pages show the balances of the first 100 wallets."""
    with LivePages(stage.started, stage.house, PAGES) as pages:
        pin(pages.pid, OTHER_CORES)
        before, began = stage.house.console_cpu(), perf_counter()
        cost = gateway_requests(stage, "bench", keys)
        took = stage.house.console_cpu() - before
    stage.console_shares.append(took / (perf_counter() - began))
    return cost


def chat_on_messages(stage: BenchSetup) -> Cost:
    """A client of OpenAI's chat, served by a vendor of Anthropic's dialect."""
    return gateway_requests(stage, "bench-messages", stage.keys[:1])


def messages_on_chat(stage: BenchSetup) -> Cost:
    return _billed(stage, Load(stage.house.url(MESSAGES), messages_body("bench", SMALL), stage.keys[:1]))


def responses_on_chat(stage: BenchSetup) -> Cost:
    return _billed(stage, Load(stage.house.url(RESPONSES), responses_body("bench", SMALL), stage.keys[:1]))


def gemini_on_chat(stage: BenchSetup) -> Cost:
    return _billed(stage, Load(stage.house.url(GEMINI), gemini_body(SMALL), stage.keys[:1]))


def _billed(stage: BenchSetup, load: Load) -> Cost:
    return _loaded(stage, load, OTHER_CORES)


def _loaded(stage: BenchSetup, load: Load, cores: set[int]) -> Cost:
    """By what was charged: requests whose readers were cut off at the end have cost CPU, too."""
    before = stage.house.cpu()
    answered = run_wrk(stage.started.folder, load, stage.seconds, cores)
    stage.house.wait_for_ends()
    after = stage.house.cpu()
    _all_good(answered)
    billed = stage.check_books(answered.good, load.connections)
    gateway, postgres = after[0] - before[0], after[1] - before[1]
    return Cost(gateway / billed * 1e6, postgres / billed * 1e6, answered.rate, gateway / answered.seconds)


def nginx_requests(stage: BenchSetup, size: int) -> Cost:
    """The same requests through nginx, which looks at nothing and bills nobody."""
    path = "/large" if size == LARGE else "/small"
    load = Load(stage.target("proxy", path), request_body("bench", size), stage.keys[:1])
    before = cpu_seconds(stage.proxy.pid)
    answered = run_wrk(stage.started.folder, load, stage.seconds, OTHER_CORES)
    took = cpu_seconds(stage.proxy.pid) - before
    _all_good(answered)
    return _cost(answered, took, 0.0)


def litellm_requests(stage: BenchSetup, program: Program, key: str) -> Cost:
    """The same through LiteLLM, which keeps no books here."""
    load = Load(stage.target("litellm"), request_body("bench", SMALL), [key], connections=16)
    before = cpu_seconds(program.pid)
    answered = run_wrk(stage.started.folder, load, stage.seconds, OTHER_CORES)
    took = cpu_seconds(program.pid) - before
    _all_good(answered)
    return _cost(answered, took, 0.0)


def refused_requests(stage: BenchSetup) -> Cost:
    """Requests of a caller who has had the one that a minute allows."""
    stage.limited_key = stage.limited_key or stage.house.open_limited_key()
    load = Load(stage.house.url(CHAT), request_body("bench", SMALL), [stage.limited_key])
    before = stage.house.cpu()
    answered = run_wrk(stage.started.folder, load, stage.seconds, OTHER_CORES)
    after = stage.house.cpu()
    assert not answered.broken, f"{answered.broken} connections broke or were late"
    assert answered.good <= _MOST_ADMITTED, f"{answered.good} requests were admitted"
    stage.check_books(answered.good, answered.good)
    refused = replace(answered, good=answered.bad)
    return _cost(refused, after[0] - before[0], after[1] - before[1])


def _all_good(answered: LoadResult) -> None:
    assert answered.good, "not one request was answered with 200"
    assert not answered.bad, f"{answered.bad} of {answered.good + answered.bad} requests were refused"
    assert not answered.broken, f"{answered.broken} connections broke or were late"


def _cost(answered: LoadResult, proxy: float, postgres: float) -> Cost:
    return Cost(proxy / answered.good * 1e6, postgres / answered.good * 1e6, answered.rate, proxy / answered.seconds)


def gateway_chunks(stage: BenchSetup) -> Cost:
    """Streams through the gateway, billed, each chunk on its way at once."""
    return _billed_chunks(stage, _stream_request("bench-chunks", stage.keys[0]), CHAT_MARKS)


def translated_chunks(stage: BenchSetup) -> Cost:
    """The same streams for a client of Anthropic's dialect."""
    body = messages_body("bench-chunks", SMALL, stream=True)
    return _billed_chunks(stage, raw_request(MESSAGES, stage.keys[0], body), MESSAGES_MARKS)


def _billed_chunks(stage: BenchSetup, request: bytes, marks: Marks) -> Cost:
    before = stage.house.cpu()
    streamed = read_streams(stage.house.port, request, marks, STREAMS)
    after = stage.house.cpu()
    stage.check_books(STREAMS)
    return _chunk_cost(streamed, after[0] - before[0], after[1] - before[1])


def nginx_chunks(stage: BenchSetup) -> Cost:
    request = _stream_request(f"drip-{CHUNKS}-{CHUNK_MS}", stage.keys[0], "/drip")
    before = cpu_seconds(stage.proxy.pid)
    streamed = read_streams(stage.ports["proxy"], request, CHAT_MARKS, STREAMS)
    return _chunk_cost(streamed, cpu_seconds(stage.proxy.pid) - before, 0.0)


def _chunk_cost(streamed: Streamed, proxy: float, postgres: float) -> Cost:
    assert streamed.complete == STREAMS, f"{STREAMS - streamed.complete} streams did not come to their end"
    assert streamed.chunks == STREAMS * CHUNKS, f"{streamed.chunks} of {STREAMS * CHUNKS} chunks came"
    return Cost(
        proxy / streamed.chunks * 1e6,
        postgres / streamed.chunks * 1e6,
        streamed.chunks / streamed.seconds,
        proxy / streamed.seconds,
    )


def open_streams(stage: BenchSetup) -> tuple[float, float]:
    """MiB of the gateway before, and the most while 1,000 streams are open (all billed at their ends)."""
    before = stage.house.resident_mib()
    seen = [before]
    request = _stream_request("bench-open", stage.keys[0])
    streamed = read_streams(
        stage.house.port, request, CHAT_MARKS, OPEN_STREAMS, lambda: seen.append(stage.house.resident_mib())
    )
    assert streamed.complete == OPEN_STREAMS, f"{OPEN_STREAMS - streamed.complete} streams did not come to their end"
    stage.check_books(OPEN_STREAMS)
    return before, max(seen)


def _stream_request(model: str, key: str, path: str = "") -> bytes:
    return raw_request(f"{path}{CHAT}", key, request_body(model, SMALL, stream=True))


@dataclass(frozen=True, slots=True)
class Latency:
    """Medians in ms of one request after another over one connection."""

    direct: float
    nginx: float
    gateway: float


def latency(stage: BenchSetup, times: int) -> Latency:
    body = request_body("bench", SMALL)
    key = stage.keys[0]
    askers = [
        LatencyProbe(stage.ports["vendor"], raw_request(f"/small{CHAT}", key, body)),
        LatencyProbe(stage.ports["proxy"], raw_request(f"/small{CHAT}", key, body)),
        LatencyProbe(stage.house.port, raw_request(CHAT, key, body)),
    ]
    in_turn(askers, 50)
    for asker in askers:
        asker.times_ms.clear()
    in_turn(askers, times)
    for asker in askers:
        asker.close()
    stage.check_books(times + 50)
    return Latency(*(asker.median_ms() for asker in askers))


def all_cores_rate(stage: BenchSetup, keys: Sequence[str]) -> Cost:
    """Billed requests a second with load, vendor, gateway and PostgreSQL sharing all cores as they like."""
    load = Load(stage.house.url(CHAT), request_body("bench", SMALL), keys, connections=256)
    return _loaded(stage, load, all_cores())


def rates_of_workers(stage: BenchSetup, both: BenchSetup, note: Callable[[str, Cost], None], rounds: int) -> None:
    """One worker and two, on one wallet and on all, in turns: they share the cores with everything else."""
    for _ in range(rounds):
        for workers, each in ((1, stage), (2, both)):
            for wallets, keys in (("one wallet", each.keys[:1]), (f"{WALLETS:,} wallets", each.keys)):
                note(f"workers {workers}, {wallets}", all_cores_rate(each, keys))
                pause_between_rows()


def rate_under_snapshot(stage: BenchSetup, seconds: float) -> Sequence[Cost]:
    """The same while somebody keeps one old snapshot open, so that no dead row can be cleaned away: its slices."""
    slices = []
    with Snapshot(stage.started, stage.house.database_url):
        for _ in range(max(1, round(seconds / stage.seconds))):
            slices.append(all_cores_rate(stage, stage.keys[:1]))
            pause_between_rows()
    return slices
