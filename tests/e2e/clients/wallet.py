"""`python -m tests.e2e.clients.wallet`: what every client does when the wallet is empty, into docs/clients.md."""

import argparse
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.clients.agents import Client
from tests.e2e.clients.matrix import CLIENTS, now
from tests.e2e.clients.page import span, write_between
from tests.e2e.clients.place import Ended, Place
from tests.e2e.clients.toolbox import ToolboxError
from tests.e2e.clients.trial import commands_of
from tests.e2e.clients.upstreams import House, open_house
from tests.e2e.counting_proxy import CountingProxy

SECONDS = 120
RETRIES = 2
"""What the SDKs do of themselves."""

_TELLING = re.compile(r'"message": ?"((?:[^"\\]|\\.)+)"')
_OUT_OF_MONEY = {402, 429}
_CHARS = 160


@dataclass(frozen=True)
class Refused:
    """The statuses that a client was refused with, and what its user reads."""

    client: Client
    statuses: tuple[int, ...]
    reads: str


def main() -> int:
    parser = argparse.ArgumentParser(prog="wallet", description="Real clients, each with an empty wallet.")
    parser.add_argument("--only", default="", help="clients by a part of their name; the page is left as it is")
    only = parser.parse_args().only
    began = now()
    try:
        refused = _try_all([client for client in CLIENTS if only.lower() in str(client).lower()])
    except ToolboxError as error:
        print(f"wallet: {error}", file=sys.stderr)
        return 1
    if not only:
        write_between("wallet", [*_table(refused), "", f"Run {span(began, now())}."])
    return 0


def _try_all(clients: Sequence[Client]) -> list[Refused]:
    refused = []
    folder = tempfile.TemporaryDirectory(prefix="th-wallet-", ignore_cleanup_errors=True)
    with folder as name, open_house(Path(name)) as house:
        for number, client in enumerate(clients):
            refused.append(_try(house, client, Path(name) / f"client-{number}"))
            print(f"{now()} {client}: {refused[-1].statuses}, {refused[-1].reads}", flush=True)
    return refused


def _try(house: House, client: Client, folder: Path) -> Refused:
    key = house.new_poor_key(f"{folder.name}@example.com")
    with CountingProxy(house.harbor.url) as counting:
        place = Place(counting.url, key, commands_of(client), folder, seconds=SECONDS, retries=RETRIES)
        ended = client.run(place, "Say hello.")
    statuses = tuple(status for _, status in counting.refused if status in _OUT_OF_MONEY)
    return Refused(client, statuses, _reads(ended))


def _reads(ended: Ended) -> str:
    if ended.cut_off:
        return f"nothing: it still ran after {ended.cut_off} s"
    said = " ".join(f"{ended.stdout} {ended.stderr}".split())
    if "balance $" in said and "needed $" in said:
        return "the gateway's message"
    told = _TELLING.findall(said)
    return f"“{told[-1] if told else said[-_CHARS:]}”"


def _table(refused: Sequence[Refused]) -> list[str]:
    """Those who do the same in one row."""
    rows: dict[tuple[int, str], list[Client]] = {}
    for each in refused:
        rows.setdefault((len(each.statuses), each.reads), []).append(each.client)
    lines = ["| Client | Requests | Message to the user |", "|---|--:|---|"]
    for (requests, reads), clients in rows.items():
        lines.append(f"| {_names(clients)} | {requests} | {re.sub('[|<>`]', ' ', reads)} |")
    return lines


def _names(clients: Sequence[Client]) -> str:
    """With the dialect where a client does not do the same in all of its own."""
    names = []
    for name in dict.fromkeys(client.name for client in clients):
        here = [client.dialect for client in clients if client.name == name]
        whole = len(here) == sum(client.name == name for client in CLIENTS)
        names.append(name if whole else f"{name} ({', '.join(f'`{dialect}`' for dialect in here)})")
    return ", ".join(names)


if __name__ == "__main__":
    sys.exit(main())
