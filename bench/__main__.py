"""`python -m bench`: stage everything, measure the rows in turn, check the books, and write the tables; or compare."""

import argparse
import asyncio
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter

from bench import rows
from bench.against import compare
from bench.bodies import LARGE, SMALL
from bench.fsync import fdatasync_us
from bench.house import pause_between_rows, start_house
from bench.litellm import KEY, start_litellm, version
from bench.machine import TOOLS, Missing, Program, Started, command_output, describe, find_program, free_port, pin
from bench.nginx import start_proxy, start_vendor
from bench.overload import overload
from bench.report import Results, render, write_readme
from bench.rows import BenchSetup, Cost


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how often."""

    rounds: int
    seconds: float
    snapshot_seconds: float
    latency_times: int
    quick: bool
    only: frozenset[str]
    against: str = ""
    overload_seconds: float = 60.0
    limited: bool = False

    def wants(self, row: str) -> bool:
        return not self.only or row in self.only


def read_schedule() -> Schedule:
    parser = argparse.ArgumentParser(prog="bench", description="What Token Harbor costs to run.")
    parser.add_argument("--quick", action="store_true", help="about a minute, rough; the README is left alone")
    parser.add_argument("--only", default="", help="rows by name, comma-separated; the README is left alone")
    parser.add_argument("--seconds", type=float, default=0, help="of each run")
    parser.add_argument("--against", metavar="COMMIT", default="", help="compare with a commit, in turns, and no more")
    parser.add_argument("--limited", action="store_true", help="in a comparison: this checkout with every limit set")
    parser.add_argument("--turns", type=int, default=7, help="of a comparison")
    words = parser.parse_args()
    if words.limited and not words.against:
        parser.error("--limited belongs to a comparison: name the other commit with --against")
    only = frozenset(filter(None, words.only.split(",")))
    if words.against:
        return Schedule(
            words.turns,
            words.seconds or 4,
            0,
            0,
            quick=words.quick,
            only=only,
            against=words.against,
            limited=words.limited,
        )
    if words.quick:
        return Schedule(1, words.seconds or 2, 6, 500, quick=True, only=only)
    return Schedule(5, words.seconds or 4, 60, 2_000, quick=False, only=only, overload_seconds=words.seconds or 60.0)


def main() -> int:
    began = perf_counter()
    plan = read_schedule()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 16_384)), hard))
    (TOOLS / "bench").mkdir(parents=True, exist_ok=True)
    started = Started(Path(tempfile.mkdtemp(prefix="run-", dir=TOOLS / "bench")))
    results = Results()
    try:
        find_program("taskset", "util-linux")
        if plan.against:
            compare(set_up(started, plan), plan.against, plan.rounds, plan.wants, limited=plan.limited)
            return 0
        measure(started, plan, results)
    except Missing as missing:
        print(f"bench: {missing}", file=sys.stderr)
        return 1
    finally:
        started.stop_all()
        shutil.rmtree(started.folder, ignore_errors=True)
    results.facts.append(f"The run took {(perf_counter() - began) / 60:.1f} minutes.")
    text = render(results)
    print("\n" + text)
    if not plan.quick and not plan.only:
        write_readme(text)
    return 0


def measure(started: Started, plan: Schedule, results: Results) -> None:
    stage = set_up(started, plan)
    if plan.wants("open streams"):  # first: what a press of large bodies leaves in the heap is no stream's
        results.memory = rows.open_streams(stage)
        print_progress(f"open streams: {results.memory}")
    with_litellm = start_litellm_if_wanted(stage, plan)
    for row, run in apart_rows(stage, with_litellm, plan):
        cost = run()
        results.note(row, cost)
        print_progress(row, cost)
        pause_between_rows()
    if with_litellm is not None:
        with_litellm.stop()
    if plan.wants("overload") and not plan.quick:
        results.overload = overload(stage, plan.overload_seconds)
        print_progress(f"overload: {results.overload}")
    whole_machine(stage, plan, results)
    print_progress("ledger verify: " + stage.house.cli("ledger", "verify"))
    results.facts += facts(stage, with_litellm=with_litellm is not None)


def set_up(started: Started, plan: Schedule) -> BenchSetup:
    drip_port = free_port()
    started.start("drip", sys.executable, "-m", "bench.drip", str(drip_port), port=drip_port)
    _, vendor_port = start_vendor(started)
    proxy, proxy_port = start_proxy(started, vendor_port, drip_port)
    house = start_house(started, (vendor_port, drip_port), rows.MODELS)
    print_progress("opening wallets")
    keys = house.open_wallets(rows.WALLETS)
    ports = {"vendor": vendor_port, "drip": drip_port, "proxy": proxy_port}
    return BenchSetup(started, house, proxy, ports, keys, plan.seconds)


def start_litellm_if_wanted(stage: BenchSetup, plan: Schedule) -> Program | None:
    if not plan.wants("litellm"):
        return None
    program, stage.ports["litellm"] = start_litellm(stage.started, stage.ports["vendor"])
    pin(program.pid, rows.GATEWAY_CORE)
    return program


def apart_rows(stage: BenchSetup, litellm: Program | None, plan: Schedule) -> list[tuple[str, Callable[[], Cost]]]:
    """The rows of one core for the proxy, round after round, so that a noisy minute meets all alike."""
    rows.pin_apart(stage)
    each: list[tuple[str, Callable[[], Cost]]] = [
        ("nginx small", lambda: rows.nginx_requests(stage, SMALL)),
        ("one wallet", lambda: rows.gateway_requests(stage, "bench", stage.keys[:1])),
        ("kept answers", lambda: rows.kept_answers(stage)),
        ("many wallets", lambda: rows.gateway_requests(stage, "bench", stage.keys)),
        ("one wallet with pages", lambda: rows.under_pages(stage, stage.keys[:1])),
        ("many wallets with pages", lambda: rows.under_pages(stage, stage.keys)),
        ("refused", lambda: rows.refused_requests(stage)),
        ("nginx large", lambda: rows.nginx_requests(stage, LARGE)),
        ("large", lambda: rows.gateway_requests(stage, "bench-large", stage.keys[:1])),
        ("nginx chunks", lambda: rows.nginx_chunks(stage)),
        ("chunks", lambda: rows.gateway_chunks(stage)),
        ("chat on messages", lambda: rows.chat_on_messages(stage)),
        ("messages on chat", lambda: rows.messages_on_chat(stage)),
        ("responses on chat", lambda: rows.responses_on_chat(stage)),
        ("gemini on chat", lambda: rows.gemini_on_chat(stage)),
        ("translated chunks", lambda: rows.translated_chunks(stage)),
    ]
    if litellm is not None:
        each.append(("litellm", lambda: rows.litellm_requests(stage, litellm, KEY)))
    return [row for _ in range(plan.rounds) for row in each if plan.wants(row[0])]


def whole_machine(stage: BenchSetup, plan: Schedule, results: Results) -> None:
    """The rows in which everything shares all cores."""
    rows.pin_nothing(stage)
    if plan.wants("latency"):
        results.latency = rows.latency(stage, plan.latency_times)
        results.fdatasync_us = fdatasync_us(stage.started.folder)
        print_progress(f"latency: {results.latency}; fdatasync {results.fdatasync_us} µs")
    if plan.wants("rate"):
        for _ in range(plan.rounds):
            results.rate.append(rows.all_cores_rate(stage, stage.keys[:1]))
            print_progress("rate, one wallet", results.rate[-1])
            results.rate_many.append(rows.all_cores_rate(stage, stage.keys))
            print_progress("rate, 1,000 wallets", results.rate_many[-1])
    if plan.wants("workers"):
        compare_workers(stage, plan, results)
    if plan.wants("snapshot"):
        results.under_snapshot = rows.rate_under_snapshot(stage, plan.snapshot_seconds)
        print_progress("rate under a snapshot", Cost.middle(results.under_snapshot))


def compare_workers(stage: BenchSetup, plan: Schedule, results: Results) -> None:
    """A second server, with two workers, beside the one that has one."""
    house = start_house(stage.started, (stage.ports["vendor"], stage.ports["drip"]), rows.MODELS, workers=2)
    both = replace(stage, house=house, keys=house.open_wallets(rows.WALLETS), billed=0)

    def note(row: str, cost: Cost) -> None:
        results.note_workers(row, cost)
        print_progress(row, cost)

    rows.rates_of_workers(stage, both, note, plan.rounds)
    print_progress("ledger verify, two workers: " + house.cli("ledger", "verify"))


def facts(stage: BenchSetup, *, with_litellm: bool) -> list[str]:
    nginx = command_output(find_program("nginx", "nginx-light"), "-v").rpartition("/")[2]
    compared = f", LiteLLM {version()}" if with_litellm else ""
    shares = stage.console_shares
    consoles = [f"With {rows.PAGES} live pages the console took {median(shares):.1%} of a core."] if shares else []
    return [
        *consoles,
        f"{describe()}.",
        f"PostgreSQL {asyncio.run(stage.house.postgres_version())}, nginx {nginx}{compared}, wrk.",
        f"{stage.billed:,} requests were billed: the books contain every 200 of every row, and `ledger verify` passes.",
    ]


def print_progress(what: str, cost: Cost | None = None) -> None:
    if cost is not None:
        what += (
            f": {cost.proxy_us:.1f} µs, PostgreSQL {cost.postgres_us:.1f} µs, {cost.rate:,.0f}/s, core {cost.busy:.0%}"
        )
    print(what, flush=True)


if __name__ == "__main__":
    sys.exit(main())
