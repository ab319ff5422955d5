"""`python -m tests.e2e.clients.matrix`: every client with every upstream dialect, and the table of docs/clients.md."""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from queue import Empty, SimpleQueue

from tests.e2e.clients.agents import AGENTS, Client
from tests.e2e.clients.frameworks import FRAMEWORKS, SDKS
from tests.e2e.clients.journal import Cell, Journal, Sitting
from tests.e2e.clients.page import write_page
from tests.e2e.clients.place import Ended
from tests.e2e.clients.toolbox import CORE, HERE, MORE, TOOLS, ToolboxError
from tests.e2e.clients.trial import Outcome, commands_of, try_client
from tests.e2e.clients.upstreams import UPSTREAMS, House, open_house

Trial = tuple[Client, str]

CLIENTS = (*AGENTS, *FRAMEWORKS, *SDKS)
TRIALS: tuple[Trial, ...] = tuple((client, upstream) for client in CLIENTS for upstream in UPSTREAMS)
SIDE_BY_SIDE = 2
SECONDS = 300
"""For a client's whole task; ten times what the slowest takes on an idle machine."""

_BREAKS = (AssertionError, HTTPException, KeyError, OSError, subprocess.SubprocessError, ValueError)
"""What a trial may break with when the gateway, the simulator or a client's folder is in disorder."""


def main() -> int:
    words = _read_words()
    journal = Journal(TOOLS / "clients.jsonl")
    partial = bool(words.only or words.upstream)
    trials = [trial for trial in _choose(words, journal) if _is_meant(trial, words)]
    sitting = Sitting(now(), commit(), "alone" if words.failed else "resumed" if words.resume else "in full")
    if not (partial or words.failed or words.resume):
        journal.begin()
    noting = not partial or words.failed or words.resume
    try:
        cells = try_all(trials, sitting, journal.note if noting else lambda _: None)
    except ToolboxError as error:
        print(f"clients: {error}", file=sys.stderr)
        return 1
    return _conclude(cells, journal if noting else None)


def _read_words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="clients", description="Real clients, each with upstreams of every dialect.")
    parser.add_argument("--only", default="", help="clients by a part of their name; alone, the page is left as it is")
    parser.add_argument("--upstream", choices=UPSTREAMS, help="this one only; alone, the page is left as it is")
    later = parser.add_mutually_exclusive_group()
    later.add_argument("--resume", action="store_true", help="what a run that broke off has not done yet")
    later.add_argument("--failed", action="store_true", help="again what failed, one at a time; into the page too")
    return parser.parse_args()


def _choose(words: argparse.Namespace, journal: Journal) -> list[Trial]:
    known = journal.cells()
    if words.resume:
        return [trial for trial in TRIALS if _place(trial) not in known]
    if words.failed:
        return [trial for trial in TRIALS if (cell := known.get(_place(trial))) is not None and cell.faults]
    return list(TRIALS)


def _place(trial: Trial) -> tuple[str, str, str]:
    client, upstream = trial
    return client.name, client.dialect, upstream


def _is_meant(trial: Trial, words: argparse.Namespace) -> bool:
    client, upstream = trial
    return words.only.lower() in str(client).lower() and upstream == (words.upstream or upstream)


def _conclude(cells: Sequence[Cell], journal: Journal | None) -> int:
    """The page is written when every cell is known."""
    if journal is not None:
        known = journal.cells()
        whole = [known[place] for place in map(_place, TRIALS) if place in known]
        if len(whole) == len(TRIALS):
            write_page(whole)
        else:
            print(f"{len(TRIALS) - len(whole)} are still to be tried: ARGS=--resume", file=sys.stderr)
    failed = sum(bool(cell.faults) for cell in cells)
    print(f"{len(cells) - failed} passed, {failed} failed")
    return 1 if failed else 0


def try_all(trials: Sequence[Trial], sitting: Sitting, note: Callable[[Cell], None]) -> list[Cell]:
    """Each in a folder of its own; so many gateways side by side, as a simulator plays one model at a time."""
    for home in dict.fromkeys(client.home for client, _ in trials):
        print(f"installing, if need be: {home}", flush=True)
        commands_of(next(client for client, _ in trials if client.home == home))
    waiting: SimpleQueue[Trial] = SimpleQueue()
    for trial in trials:
        waiting.put(trial)
    cells: list[Cell] = []
    lock = threading.Lock()

    def known(outcome: Outcome) -> None:
        with lock:
            cells.append(_cell(outcome, sitting))
            note(cells[-1])
            print(_line(cells[-1]), flush=True)

    side_by_side = 1 if sitting.how == "alone" else SIDE_BY_SIDE
    with ThreadPoolExecutor(side_by_side) as pool:
        for worker in [pool.submit(_work, waiting, known) for _ in range(side_by_side)]:
            worker.result()
    return cells


def _work(waiting: "SimpleQueue[Trial]", known: Callable[[Outcome], None]) -> None:
    """Until nothing waits; a trial that broke is followed by a gateway of its own for the rest."""
    while not waiting.empty():
        folder = tempfile.TemporaryDirectory(prefix="th-clients-", ignore_cleanup_errors=True)
        with folder as name, open_house(Path(name)) as house:
            while (outcome := _next(house, waiting, Path(name))) is not None:
                known(outcome)
                if outcome.broke:
                    break


def _next(house: House, waiting: "SimpleQueue[Trial]", folder: Path) -> Outcome | None:
    try:
        client, upstream = waiting.get_nowait()
    except Empty:
        return None
    own = Path(tempfile.mkdtemp(prefix="trial-", dir=folder))
    try:
        return try_client(house, client, upstream, own, SECONDS)
    except _BREAKS as error:
        return Outcome(client, upstream, Ended(0, "", ""), (f"the trial broke: {error!r}",), 0, 0, broke=True)


def _cell(outcome: Outcome, sitting: Sitting) -> Cell:
    client = outcome.client
    output = str(outcome.ended) if outcome.faults else ""
    seen = (outcome.faults, outcome.requests, round(outcome.seconds), now(), sitting, output)
    return Cell(client.name, client.dialect, version_of(client), outcome.upstream, *seen)


def _line(cell: Cell) -> str:
    verdict = "; ".join(cell.faults) or "as it should be"
    who = f"{cell.client} ({cell.dialect}) at {cell.upstream}"
    return f"{cell.ended} {who}: {cell.requests} requests, {cell.seconds} s: {verdict}"


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M")


def commit() -> str:
    command = ("git", "-C", str(HERE), "describe", "--always", "--dirty", "--exclude=*")
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.strip() or "unknown"


def version_of(client: Client) -> str:
    """As it is pinned."""
    for packages in (CORE, MORE):
        if packages.name == client.home:
            pins: dict[str, str] = json.loads((packages.folder / "package.json").read_text())["dependencies"]
            return pins[client.package]
    lock = (HERE / "python" / f"{client.home}.lock").read_text()
    found = re.search(rf"^{re.escape(client.package)}==(\S+)", lock, re.MULTILINE)
    assert found is not None, f"{client.home}.lock pins no {client.package}"
    return found[1]


if __name__ == "__main__":
    sys.exit(main())
