"""The tables, and their place in bench/README.md."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.against import interval
from bench.machine import ROOT
from bench.overload import STREAMS as STREAMS_OVER
from bench.overload import TIMES, Overload
from bench.rows import LONG_MS, OPEN_STREAMS, STREAMS, Cost, Latency

_README = ROOT / "bench" / "README.md"
_BEGIN, _END = "<!-- results -->\n", "<!-- end of results -->\n"


@dataclass
class Results:
    """What was measured, round by round where there were rounds."""

    rounds: dict[str, list[Cost]] = field(default_factory=dict)
    latency: Latency | None = None
    fdatasync_us: float | None = None
    memory: tuple[float, float] | None = None
    rate: list[Cost] = field(default_factory=list)
    rate_many: list[Cost] = field(default_factory=list)
    under_snapshot: Sequence[Cost] = ()
    overload: Overload | None = None
    workers: dict[str, list[Cost]] = field(default_factory=dict)
    facts: list[str] = field(default_factory=list)

    def note(self, row: str, cost: Cost) -> None:
        self.rounds.setdefault(row, []).append(cost)

    def note_workers(self, row: str, cost: Cost) -> None:
        self.workers.setdefault(row, []).append(cost)

    def ratio(self, row: str, base: str) -> float:
        """The median of the ratios within each round."""
        pairs = zip(self.rounds[row], self.rounds[base], strict=False)
        return median(one.proxy_us / other.proxy_us for one, other in pairs)


# row, what its base is, what it is called
_ROWS = (
    ("nginx small", "nginx small", "nginx `proxy_pass`, 2 KiB bodies"),
    ("one wallet", "nginx small", "**gateway, billed, all on one wallet**, 2 KiB bodies"),
    ("kept answers", "nginx small", "gateway, answered by its exact cache, all on one wallet, 2 KiB bodies"),
    ("one wallet with pages", "nginx small", "gateway, billed, all on one wallet, 100 live pages"),
    ("many wallets", "nginx small", "**gateway, billed, on 1,000 wallets**, 2 KiB bodies"),
    ("many wallets with pages", "nginx small", "gateway, billed, on 1,000 wallets, 100 live pages"),
    ("refused", "nginx small", "gateway, refused by requests a minute, 2 KiB bodies"),
    ("litellm", "nginx small", "LiteLLM, not billed, 2 KiB bodies"),
    ("nginx large", "nginx large", "nginx `proxy_pass`, 100 KiB bodies"),
    ("large", "nginx large", "gateway, billed, 100 KiB bodies"),
    ("nginx chunks", "nginx chunks", f"nginx `proxy_pass`, unbuffered, a chunk of {STREAMS} streams"),
    ("chunks", "nginx chunks", f"gateway, billed, a chunk of {STREAMS} streams"),
)

# a row that translates, the row of the same spliced, what it is called
_TRANSLATED = (
    ("chat on messages", "one wallet", "a chat client on a Messages vendor, 2 KiB bodies"),
    ("messages on chat", "one wallet", "a Messages client on a chat vendor, 2 KiB bodies"),
    ("responses on chat", "one wallet", "a Responses client on a chat vendor, 2 KiB bodies"),
    ("gemini on chat", "one wallet", "a Gemini client on a chat vendor, 2 KiB bodies"),
    ("translated chunks", "chunks", f"a Messages client on a chat vendor, a chunk of {STREAMS} streams"),
)


def render(results: Results) -> str:
    tables = (_cpu_table(results), _translated_table(results), _workers_table(results), _other_table(results))
    return "\n".join((*_facts(results), "", *(line for table in tables if table for line in (*table, ""))))


def _facts(results: Results) -> list[str]:
    return [f"- {fact}" for fact in results.facts]


def _cpu_table(results: Results) -> list[str]:
    lines = [
        "| CPU at saturation, µs per request or chunk | proxy | × nginx | with PostgreSQL | per second | core busy |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for row, base, name in _ROWS:
        if row not in results.rounds:
            continue
        cost = Cost.middle(results.rounds[row])
        ratio = f"{results.ratio(row, base):.2f}" if base in results.rounds else ""
        both = f"{cost.proxy_us + cost.postgres_us:.1f}" if cost.postgres_us else ""
        lines.append(f"| {name} | {cost.proxy_us:.1f} | {ratio} | {both} | {cost.rate:,.0f} | {cost.busy:.0%} |")
    return lines


def _translated_table(results: Results) -> list[str]:
    lines = [
        f"| {name} | {Cost.middle(results.rounds[row]).proxy_us:.1f} | {results.ratio(row, base):.2f} |"
        for row, base, name in _TRANSLATED
        if row in results.rounds and base in results.rounds
    ]
    return (
        ["| translated and billed | gateway's CPU, µs per request or chunk | × spliced |", "|---|--:|--:|", *lines]
        if lines
        else []
    )


def _workers_table(results: Results) -> list[str]:
    head = [
        "| on all cores, with load, vendor and PostgreSQL | gateway, µs | PostgreSQL, µs | requests a second |",
        "|---|--:|--:|--:|",
    ]
    lines = []
    for row, costs in results.workers.items():
        gateway, postgres = [cost.proxy_us for cost in costs], [cost.postgres_us for cost in costs]
        lines.append(f"| {row} | {_spread(gateway)} | {_spread(postgres)} | {Cost.middle(costs).rate:,.0f} |")
    return [*head, *lines] if lines else []


def _spread(values: Sequence[float]) -> str:
    """The median, and its 95% interval."""
    least, most = interval(values)
    return f"{median(values):.0f} ({least:.0f} to {most:.0f})"


def _other_table(results: Results) -> list[str]:
    return [
        "| measurement | result | bound |",
        "|---|--:|--:|",
        *_singles(results),
        *_rates(results),
        *_overload(results),
    ]


def _singles(results: Results) -> Iterator[str]:
    if results.memory:
        before, most = results.memory
        what = f"gateway's memory with {OPEN_STREAMS:,} open streams ({before:.0f} MiB before)"
        yield f"| {what} | {most:.0f} MiB | 120 MiB |"
    if (times := results.latency) is not None:
        what = f"p50 added at one connection (vendor alone {times.direct:.2f} ms, through nginx {times.nginx:.2f} ms)"
        yield f"| {what} | {times.gateway - times.direct:.2f} ms | 2 ms (goal 1) |"
    if results.fdatasync_us is not None:
        what = "for comparison: one 8 KiB write with fdatasync, by `pg_test_fsync`"
        yield f"| {what} | {results.fdatasync_us / 1e3:.2f} ms | |"


def _rates(results: Results) -> Iterator[str]:
    for name, costs in (("one wallet", results.rate), ("1,000 wallets", results.rate_many)):
        if costs:
            middle = Cost.middle(costs)
            spent = f"gateway {middle.proxy_us:.0f} µs, PostgreSQL {middle.postgres_us:.0f} µs each"
            yield f"| billed requests a second on all cores, {name} ({spent}) | {middle.rate:,.0f} | 6,000 |"
    if results.under_snapshot:
        rates = [cost.rate for cost in results.under_snapshot]
        what = f"the same, one wallet, a snapshot held open (first slice {rates[0]:,.0f}, last {rates[-1]:,.0f})"
        yield f"| {what} | {median(rates):,.0f} | |"


def _overload(results: Results) -> Iterator[str]:
    seen = results.overload
    if seen is None:
        return
    what = f"answers with 200 a second where {TIMES} times the peak is asked (peak {seen.peak:,.0f}, "
    what += f"{seen.flooded.refused:,} refused)"
    yield f"| {what} | {seen.good / seen.peak:.0%} of the peak | 80% |"
    yield f"| the gateway's CPU for each of them (at the peak {seen.peak_us:.0f} µs) | {seen.good_us:.0f} µs | |"
    what = f"the longest gap between two chunks of {STREAMS_OVER} streams meanwhile, sent every {LONG_MS} ms"
    yield f"| {what} ({seen.streamed.complete} complete) | {seen.streamed.longest_gap * 1e3:.0f} ms | |"
    yield f"| gateway's memory meanwhile ({seen.before_mib:.0f} MiB before) | {seen.most_mib:.0f} MiB | |"


def write_readme(text: str) -> None:
    """Put the tables between the marks."""
    before, _, rest = _README.read_text().partition(_BEGIN)
    after = rest.partition(_END)[2]
    _README.write_text(f"{before}{_BEGIN}{text}{_END}{after}")
