"""One trial: a client, an upstream dialect, a broken repository; the simulator plays the model that mends it."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.clients import repository
from tests.e2e.clients.agents import CLOSING, PROSE, Client
from tests.e2e.clients.place import TIMEOUT_SECONDS, Ended, Place
from tests.e2e.clients.toolbox import CORE, MORE, install, install_python
from tests.e2e.clients.upstreams import House, money_faults, provider_of


@dataclass(frozen=True)
class Outcome:
    """How a trial went; `faults` is empty if all is as it should be; one that `broke` says nothing of the client."""

    client: Client
    upstream: str
    ended: Ended
    faults: tuple[str, ...]
    requests: int
    seconds: float
    broke: bool = False


def commands_of(client: Client) -> Path:
    """The folder of the client's command, or of its interpreter; installed if need be."""
    for packages in (CORE, MORE):
        if packages.name == client.home:
            return install(packages)
    return install_python(client.home)


def script_for(client: Client, work: Path) -> dict[str, Any]:
    """What the simulator is told: the model's calls, each turn's at once, then its closing words."""
    calls = [{"turn": turn, "name": name, "arguments": arguments} for turn, name, arguments in client.calls(work)]
    if not calls:
        return {"answer": {"text": PROSE + CLOSING}}
    reasoning = "First I look; then I mend."
    answer = {"text": "A title", "reasoning": reasoning, "calls": calls, "after_tools": CLOSING + " It said: {result}"}
    return {"answer": answer, "rules": [{"match": {"contains": repository.REPORT_PROMPT}, "answer": _report()}]}


def _report() -> dict[str, Any]:
    """As a call where the tool is offered, the first one with a value of the wrong type; else as text."""
    report = json.loads(repository.REPORT)
    calls = [
        {"turn": 1, "name": "Report", "arguments": report | {"free": "some"}},
        {"turn": 2, "name": "Report", "arguments": report},
    ]
    return {"text": repository.REPORT, "calls": calls, "after_tools": repository.REPORT}


def try_client(
    house: House, client: Client, upstream: str, folder: Path, seconds_at_most: int = TIMEOUT_SECONDS
) -> Outcome:
    commands = commands_of(client)
    place = Place(house.harbor.url, house.key(upstream), commands, folder, seconds=seconds_at_most).prepare()
    repository.write(place.work)
    house.tell(script_for(client, place.work))
    before, known = house.balance(upstream), {receipt["id"] for receipt in house.receipts(upstream)}
    started = time.monotonic()
    ended = client.run(place, repository.PROMPT)
    seconds = time.monotonic() - started
    receipts = [receipt for receipt in house.receipts(upstream) if receipt["id"] not in known]
    seen = house.seen()
    faults = [
        *_ending_faults(client, ended),
        *filter(None, [repository.fault(place.work)]),
        *_route_faults(client, upstream, receipts),
        *money_faults(seen, receipts, before - house.balance(upstream)),
    ]
    return Outcome(client, upstream, ended, tuple(dict.fromkeys(faults)), len(receipts), seconds)


def _ending_faults(client: Client, ended: Ended) -> list[str]:
    faults = [f"cut off after {ended.cut_off} s"] if ended.cut_off else []
    faults += [f"exit code {ended.code}"] if ended.code and not ended.cut_off else []
    said = " ".join(ended.stdout.split())
    if CLOSING not in said:
        faults.append("the model's last words did not come")
    elif client.calls(Path()) and "OK" not in said.partition(CLOSING)[2]:
        faults.append("what the test printed did not come back to the model")
    return faults


def _route_faults(client: Client, upstream: str, receipts: list[dict[str, Any]]) -> list[str]:
    faults = [] if receipts else ["no request came"]
    for receipt in receipts:
        went = (receipt["dialect"], receipt["provider"], receipt["status"])
        if went != (client.dialect, provider_of(upstream), "complete"):
            faults.append(f"a request in {went[0]}, served by {went[1]}: {went[2]} {receipt['refusal'] or ''}".strip())
    return faults
