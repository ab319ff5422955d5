"""Load from wrk: as many requests as are answered, each connection asking again at once."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.machine import Missing, find_program

_SCRIPT = """\
local requests, i = {}, 0
function init(args)
    local file = io.open(args[2], "rb")
    local body = file:read("*a")
    file:close()
    for key in io.lines(args[1]) do
        local headers = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. key }
        requests[#requests + 1] = wrk.format("POST", nil, headers, body)
    end
end
function request()
    i = i % #requests + 1
    return requests[i]
end
function done(summary, latency)
    local e = summary.errors
    io.write(string.format("RESULT %d %d %d %d %d %d\\n", summary.requests, e.status, e.connect + e.read + e.write,
        e.timeout, summary.duration, latency:percentile(50)))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """Where to ask, what, with which keys in turn, over how many connections."""

    url: str
    body: bytes
    keys: Sequence[str]
    connections: int = 256  # fewer leave a proxy waiting now and then: it would not be at saturation


@dataclass(frozen=True, slots=True)
class LoadResult:
    """`good` are the 200s that wrk read in full."""

    good: int
    bad: int
    broken: int
    seconds: float
    p50_ms: float

    @property
    def rate(self) -> float:
        return self.good / self.seconds


def run_wrk(folder: Path, load: Load, seconds: float, cores: set[int]) -> LoadResult:
    """Run wrk, one thread, on some cores."""
    script, keys, body = folder / "load.lua", folder / "load.keys", folder / "load.body"
    script.write_text(_SCRIPT)
    keys.write_text("".join(f"{key}\n" for key in load.keys))
    body.write_bytes(load.body)
    done = subprocess.run(
        ["taskset", "-c", ",".join(map(str, sorted(cores))), find_program("wrk", "wrk"), "-t1",
         f"-c{load.connections}", f"-d{max(1, round(seconds))}s", "--timeout", "20s", "-s", str(script), load.url, "--",
         str(keys), str(body)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            total, bad, broken, late, took, p50 = map(int, line.split()[1:])
            return LoadResult(total - bad, bad, broken + late, took / 1e6, p50 / 1e3)
    raise Missing(f"wrk fails: {done.stdout} {done.stderr}")
