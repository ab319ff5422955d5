"""`python -m tests.e2e.clients.matrix`: every client with every upstream dialect, and the table of docs/clients.md."""

import argparse
import json
import re
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.e2e.clients.agents import AGENTS, Client
from tests.e2e.clients.frameworks import FRAMEWORKS, SDKS
from tests.e2e.clients.toolbox import CORE, HERE, MORE, ToolboxError
from tests.e2e.clients.trial import Outcome, commands_of, try_client
from tests.e2e.clients.upstreams import UPSTREAMS, House, open_house

CLIENTS = (*AGENTS, *FRAMEWORKS, *SDKS)
SIDE_BY_SIDE = 2
_PAGE = Path(__file__).parents[3] / "docs" / "clients.md"
_BEGIN, _END = "<!-- matrix -->\n", "<!-- end of matrix -->\n"
_REASON_CHARS = 300


def main() -> int:
    parser = argparse.ArgumentParser(prog="clients", description="Real clients, each with upstreams of every dialect.")
    parser.add_argument("--only", default="", help="clients by a part of their name; the page is left alone")
    parser.add_argument("--upstream", choices=UPSTREAMS, help="this one only; the page is left alone")
    words = parser.parse_args()
    clients = [client for client in CLIENTS if words.only.lower() in str(client).lower()]
    upstreams = [words.upstream] if words.upstream else UPSTREAMS
    try:
        outcomes = try_all([(client, upstream) for client in clients for upstream in upstreams])
    except ToolboxError as error:
        print(f"clients: {error}", file=sys.stderr)
        return 1
    failed = sum(bool(outcome.faults) for outcome in outcomes)
    if not (words.only or words.upstream):
        write_page(outcomes)
    print(f"{len(outcomes) - failed} passed, {failed} failed")
    return 1 if failed else 0


def try_all(trials: Sequence[tuple[Client, str]]) -> list[Outcome]:
    """Each in a folder of its own; so many gateways side by side, as a simulator plays one model at a time."""
    for home in dict.fromkeys(client.home for client, _ in trials):
        print(f"installing, if need be: {home}", flush=True)
        commands_of(next(client for client, _ in trials if client.home == home))
    waiting: SimpleQueue[tuple[int, Client, str]] = SimpleQueue()
    for number, (client, upstream) in enumerate(trials):
        waiting.put((number, client, upstream))
    done: dict[int, Outcome] = {}
    lock = threading.Lock()

    def work() -> None:
        with tempfile.TemporaryDirectory(prefix="th-clients-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            with open_house(folder) as house:
                while (outcome := _next(house, waiting, folder)) is not None:
                    with lock:
                        done[outcome[0]] = outcome[1]
                        print(_line(outcome[1]), flush=True)

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for worker in [pool.submit(work) for _ in range(SIDE_BY_SIDE)]:
            worker.result()
    return [done[number] for number in sorted(done)]


def _next(house: House, waiting: "SimpleQueue[tuple[int, Client, str]]", folder: Path) -> tuple[int, Outcome] | None:
    if waiting.empty():
        return None
    number, client, upstream = waiting.get()
    return number, try_client(house, client, upstream, folder / f"trial-{number}")


def _line(outcome: Outcome) -> str:
    verdict = "; ".join(outcome.faults) or "as it should be"
    return f"{outcome.client} at {outcome.upstream}: {outcome.requests} requests, {outcome.seconds:.0f} s: {verdict}"


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


def write_page(outcomes: Sequence[Outcome]) -> None:
    page = _PAGE.read_text()
    before, rest = page.split(_BEGIN)
    _PAGE.write_text(before + _BEGIN + "\n".join(_table(outcomes)) + "\n" + _END + rest.split(_END)[1])


def _table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    reasons: list[str] = []
    yield "| client | version | speaks | " + " | ".join(f"`{wire}`" for wire in UPSTREAMS) + " |"
    yield "|---|---|---|" + ":-:|" * len(UPSTREAMS)
    for client in dict.fromkeys(outcome.client for outcome in outcomes):
        cells = [_cell(outcome, reasons) for outcome in outcomes if outcome.client == client]
        yield f"| {client.name} | {version_of(client)} | `{client.dialect}` | " + " | ".join(cells) + " |"
    yield ""
    passed = sum(not outcome.faults for outcome in outcomes)
    yield f"{passed} of {len(outcomes)} work."
    for number, reason in enumerate(reasons, 1):
        yield f"{number}. {reason}"


def _cell(outcome: Outcome, reasons: list[str]) -> str:
    if not outcome.faults:
        return "yes, spliced" if outcome.upstream == outcome.client.dialect else "yes"
    reason = re.sub(r"[|<>`]", " ", "; ".join(outcome.faults))[:_REASON_CHARS]
    if reason not in reasons:
        reasons.append(reason)
    return f"**no** ({reasons.index(reason) + 1})"


if __name__ == "__main__":
    sys.exit(main())
