"""Three times as much as the gateway can serve, with streams open all the while: what is served, and what it takes."""

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bench import rows
from bench.bodies import SMALL, request_body
from bench.flood import Flood, Flooded
from bench.latency import raw_request
from bench.machine import Missing
from bench.rows import CHAT, OTHER_CORES, BenchSetup
from bench.streams import CHAT_MARKS, Streamed, read_streams

TIMES = 3
STREAMS = 50
_PEAK_SECONDS = 8.0
_PEAK_CONNECTIONS, _CONNECTIONS = 256, 4_000
_PEAK_RATE = 1.2  # of what wrk gets: enough for saturation, with few enough connections that nothing is refused
_SAMPLE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Overload:
    """`peak` and `good` are answers with 200 a second; `peak_us` and `good_us` the gateway's CPU for each of them."""

    peak: float
    good: float
    peak_us: float
    good_us: float
    flooded: Flooded
    streamed: Streamed
    before_mib: float
    most_mib: float


def overload(stage: BenchSetup, seconds: float) -> Overload:
    """Needs the gateway on one core, and the rest on the other. The books are checked."""
    wrk = rows.gateway_requests(stage, "bench", stage.keys[:1])
    peak, peak_us = _flood(stage, _PEAK_RATE * wrk.rate, _PEAK_SECONDS, _PEAK_CONNECTIONS)
    before, sizes, streamed = stage.house.resident_mib(), [0.0], list[Streamed]()
    stop = threading.Event()
    watch = threading.Thread(target=_watch, args=(stage, sizes, stop))
    request = raw_request(CHAT, stage.keys[0], request_body("bench-long", SMALL, stream=True))
    read = threading.Thread(
        target=lambda: streamed.append(read_streams(stage.house.port, request, CHAT_MARKS, STREAMS))
    )
    for thread in (watch, read):
        thread.start()
    rate = peak.good / peak.seconds
    flooded, good_us = _flood(stage, TIMES * rate, seconds, _CONNECTIONS)
    read.join()
    stop.set()
    watch.join()
    stage.billed = stage.house.billed()  # each 200 was charged, and so was what was answered outside the measured time
    return Overload(rate, flooded.good / flooded.seconds, peak_us, good_us, flooded, streamed[0], before, max(sizes))


def _watch(stage: BenchSetup, sizes: list[float], stop: threading.Event) -> None:
    while not stop.wait(_SAMPLE_SECONDS):
        sizes.append(stage.house.resident_mib())


def _flood(stage: BenchSetup, rate: float, seconds: float, connections: int) -> tuple[Flooded, float]:
    """And the gateway's CPU for each 200, in microseconds."""
    request = stage.started.folder / "flood.request"
    request.write_bytes(raw_request(CHAT, stage.keys[0], request_body("bench", SMALL)))
    flood = Flood(stage.house.port, str(request), rate, seconds, connections)
    before = stage.house.cpu()[0]
    done = subprocess.run(_command(flood), check=False, capture_output=True, text=True)
    took = stage.house.cpu()[0] - before
    if done.returncode:
        raise Missing(f"the flood fails: {done.stderr}")
    flooded = Flooded(**json.loads(done.stdout))
    assert flooded.good, "not one request was answered with 200"
    return flooded, took / flooded.good_in_all * 1e6


def _command(flood: Flood) -> Sequence[str]:
    cores = ",".join(map(str, sorted(OTHER_CORES)))
    return ["taskset", "-c", cores, sys.executable, "-m", "bench.flood", json.dumps(asdict(flood))]
