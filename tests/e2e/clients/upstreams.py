"""A gateway with one upstream of each dialect, all of them one simulator, and what its books say of a client's run."""

import json
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.e2e.harbor import Harbor, make_harbor, start_simulator

from tokenharbor.wire import PROVIDER_DIALECTS

_PROVIDER = """
[providers.{name}]
wire = "{wire}"
base_url = "{{url}}{path}"
credential = "env:{key}"
timeouts = {{{{ connect = 5, first_event = 30, between_events = 30, total = 120 }}}}
region = "eu-north-1"
"""
_PATHS = {"gemini": "/v1beta", "bedrock_converse": ""}  # the others': /v1
_KEYS = {"bedrock_converse": "SIM_KEY_PAIR"}  # the others': SIM_KEY
_MODEL = """
[models.sim]
vendor = "sims"
context = 1000000
max_output = 64000
capabilities = ["tools", "json_schema", "vision", "pdf", "reasoning", "audio"]
"""
_ENDPOINT = """
[[models.sim.endpoints]]
provider = "{name}"
upstream_model = "sim-model"
price = {{{{ input = "1.00", output = "2.00", cache_read = "0.10", cache_write = "1.25", cache_write_1h = "2.00" }}}}
"""

UPSTREAMS = tuple(PROVIDER_DIALECTS)
"""The dialects that an upstream may speak."""


def provider_of(wire: str) -> str:
    return "up-" + wire.replace("_", "-")


def _config() -> str:
    parts = []
    for wire in UPSTREAMS:
        path, key = _PATHS.get(wire, "/v1"), _KEYS.get(wire, "SIM_KEY")
        parts.append(_PROVIDER.format(name=provider_of(wire), wire=wire, path=path, key=key))
    return "".join([*parts, _MODEL.replace("{", "{{").replace("}", "}}"), *(
        _ENDPOINT.format(name=provider_of(wire)) for wire in UPSTREAMS
    )])  # fmt: skip


@dataclass
class House:
    """The running gateway; each upstream has a key that nobody else serves, on an account of its own."""

    harbor: Harbor
    accounts: dict[str, tuple[str, str]] = field(default_factory=dict)

    def key(self, wire: str) -> str:
        if wire not in self.accounts:
            account = self.harbor.new_account(f"{wire}@example.com")
            self.accounts[wire] = account, self.harbor.new_key(account, "--providers", provider_of(wire))
        return self.accounts[wire][1]

    def new_poor_key(self, email: str) -> str:
        """Of an account that has a thousandth of a cent."""
        return self.harbor.new_key(self.harbor.new_account(email, "0.00001"))

    def balance(self, wire: str) -> Decimal:
        return Decimal(call(self.harbor.url, "GET", "/v1/account/balance", key=self.key(wire))["balance_usd"])

    def receipts(self, wire: str) -> list[dict[str, Any]]:
        """Every request of this upstream's account, in full."""
        key = self.key(wire)
        listed = call(self.harbor.url, "GET", "/v1/requests?limit=1000", key=key)["data"]
        return [call(self.harbor.url, "GET", f"/v1/requests/{each['id']}", key=key) for each in listed]

    def tell(self, script: dict[str, Any]) -> None:
        """What the simulator does from now on; it forgets what it saw."""
        call(self.harbor.simulator, "POST", "/simulator/script", script)
        call(self.harbor.simulator, "DELETE", "/simulator/requests")

    def seen(self) -> list[dict[str, Any]]:
        """What reached the simulator since then."""
        seen: list[dict[str, Any]] = call(self.harbor.simulator, "GET", "/simulator/requests")
        return seen


@contextmanager
def open_house(folder: Path) -> Iterator[House]:
    folder.chmod(0o755)
    simulator, url = start_simulator("", folder)
    try:
        harbor = make_harbor(folder, url, _config())
        try:
            yield House(harbor)
        finally:
            harbor.stop()
    finally:
        simulator.stop()


def call(url: str, method: str, path: str, body: Any = None, key: str = "") -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
    request = urllib.request.Request(url + path, data=data, method=method, headers=headers)  # noqa: S310  loopback
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  likewise
        return json.loads(answer.read() or b"null")


def money_faults(seen: Sequence[dict[str, Any]], receipts: Sequence[dict[str, Any]], spent: Decimal) -> list[str]:
    """What the provider saw, the receipts and the wallet have to say of one another."""
    faults = []
    if unfinished := [record["id"] for record in seen if not record["completed"]]:
        faults.append(f"requests that the provider did not answer in full: {unfinished}")
    if unknown := {each["id"] for each in seen} - {each["upstream_request_id"] for each in receipts}:
        faults.append(f"requests without a receipt: {sorted(unknown)}")
    usages = {record["id"]: record["usage"] for record in seen}
    for receipt in receipts:
        usage = usages.get(receipt["upstream_request_id"])
        if usage is None or {k: v for k, v in receipt["usage"].items() if v} != {k: v for k, v in usage.items() if v}:
            faults.append(f"a receipt with usage {receipt['usage']}, where the provider said {usage}")
    if (told := sum((Decimal(receipt["cost_usd"]) for receipt in receipts), Decimal(0))) != spent:
        faults.append(f"the receipts say {told} USD, the wallet lost {spent}")
    return faults
