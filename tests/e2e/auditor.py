"""An auditor: computes each request's cost again, from the price list and the vendor's own record.

It shares no code with the product: prices are fractions of a dollar, read from the configuration's text.
"""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from fractions import Fraction
from typing import Any

from tests.e2e.raw_client import ClientAnswer

NANO = 1_000_000_000
_INPUT = ("input", "cache_read", "cache_write_5m", "cache_write_1h")
_NAMES = {"cache_write": "cache_write_5m"}  # what a price list calls the five minutes' write
_INSTEAD = {
    "cache_read": ("input",),
    "cache_write_5m": ("input",),
    "cache_write_1h": ("cache_write_5m", "input"),
    "reasoning": ("output",),
}
BYTES_PER_TOKEN = 4  # docs/decisions/0002
_BROKEN_OFF = {"break", "error_event", "no_terminator", "truncated", "stall", "refuse", "garbage", "status"}


@dataclass(frozen=True)
class Bill:
    """In nano-USD. `over`: what the quote's bound left out of the total."""

    total: int
    fee: int
    over: int = 0

    def within(self, bound: int) -> "Bill":
        """Cut to the bound: the model's part first, the fee by what is left."""
        over = max(self.total - bound, 0)
        return Bill(self.total - over, max(self.fee - over, 0), over)


@dataclass(frozen=True)
class Prices:
    """A price list and an edition's terms."""

    models: Mapping[str, Any]
    edition: Mapping[str, Any]

    def bill(self, model: str, provider: str, usage: Mapping[str, int]) -> Bill:
        """What the usage costs: the vendor's price, the markup, the fee; rounded up once."""
        exact = self.vendor_usd(model, provider, usage) * NANO
        price = self.edition["price"]
        markup = price["markup_bp_by_model"].get(model, price["markup_bp"])
        sold = exact * (1 + Fraction(markup, 10_000))
        total = math.ceil(sold * (1 + Fraction(price["service_fee_bp"], 10_000)))
        return Bill(total, total - min(total, math.ceil(sold)))

    def vendor_usd(self, model: str, provider: str, usage: Mapping[str, int]) -> Fraction:
        size = sum(usage.get(kind, 0) for kind in _INPUT)
        each = self._in_force(model, provider, size)
        return sum((count * _per_token(each, kind) for kind, count in usage.items() if count), Fraction(0))

    def _in_force(self, model: str, provider: str, size: int) -> Mapping[str, Fraction]:
        endpoints = self.models[model]["endpoints"]
        stated = next(endpoint["price"] for endpoint in endpoints if endpoint["provider"] == provider)
        steps = sorted(stated.get("steps", ()), key=lambda step: int(step["above_input"]))
        each: dict[str, Fraction] = {}
        for row in (stated, *(step for step in steps if size > step["above_input"])):
            each |= {_NAMES.get(name, name): Fraction(text) for name, text in row.items() if isinstance(text, str)}
        return each


def read_prices(config: str, edition: str) -> Prices:
    """From the texts of the configuration and of the edition."""
    return Prices(tomllib.loads(config)["models"], tomllib.loads(edition))


@dataclass
class Findings:
    """What was found, so that a test can say that enough was seen: how many requests, and what was charged."""

    complete: int = 0
    hung_up: int = 0  # and billed for what they were sent
    broken: int = 0  # billed although the vendor broke off
    estimated: int = 0  # complete, but without a usage that adds up
    failed: int = 0  # told so, and not billed
    nothing: int = 0  # not billed, those included
    failed_over: int = 0  # billed, by the second provider
    charged: int = 0  # nano-USD

    def __add__(self, other: "Findings") -> "Findings":
        mine, theirs = astuple(self), astuple(other)
        return Findings(*map(int.__add__, mine, theirs))


@dataclass(frozen=True)
class Audit:
    """One run's evidence: the vendors' records and the receipts, by our ids for them."""

    prices: Prices
    records: Mapping[str, Mapping[str, Any]]
    receipts: Mapping[str, Mapping[str, Any]]  # by the client's own id

    def all(self, answers: Sequence[ClientAnswer]) -> Findings:
        """Every request by itself; then that nobody else was billed, and no answer of a vendor twice."""
        found = Findings()
        for heard in answers:
            self._one(heard, found)
        billed = [r for r in self.receipts.values() if "entry" in r]
        ids = {r["upstream_request_id"] for r in billed}
        assert len(ids) == len(billed), "an answer of a vendor was billed twice"
        assert {r["client_request_id"] for r in billed} <= {heard.question.name for heard in answers}
        assert found.charged == sum(nano(r["cost_usd"]) for r in self.receipts.values()), "somebody else was billed"
        return found

    def _one(self, heard: ClientAnswer, found: Findings) -> None:
        name = heard.question.name
        receipt = self.receipts.get(name)
        if receipt is not None and heard.id:
            assert receipt["id"] == heard.id, name
        status = receipt["status"] if receipt is not None else None
        if heard.how == "complete":
            assert status == "complete", (name, receipt)
        if heard.how == "failed":
            assert status in (None, "failed"), (name, receipt)
        assert heard.how != "cut", (name, heard.raw[-300:])
        if receipt is None or "entry" not in receipt:
            self._nothing(heard, receipt, found)
        elif status == "complete":
            self._complete(heard, receipt, found)
        elif status == "failed":
            self._broken(heard, receipt, found)
        else:
            self._left(heard, receipt, found)

    def _nothing(self, heard: ClientAnswer, receipt: Mapping[str, Any] | None, found: Findings) -> None:
        """Who read something pays for it, unless the vendor broke off."""
        found.nothing += 1
        found.failed += heard.how == "failed"
        assert heard.how in ("failed", "left"), heard.question.name
        if receipt is not None:
            assert receipt["status"] in ("failed", "hung_up"), receipt
            assert (receipt["cost_usd"], receipt["usage"]) == ("0.000000000", None), receipt
        if heard.text_bytes:
            assert not self.prices.edition["billing"]["broken_streams"], heard.question.name
            assert receipt is not None, heard.question.name
            assert (receipt["status"], bool(receipt["refusal"])) == ("failed", True), (heard.question.name, receipt)
            assert self._record(receipt)["fault"] in _BROKEN_OFF, receipt

    def _complete(self, heard: ClientAnswer, receipt: Mapping[str, Any], found: Findings) -> None:
        """The vendor's usage, unless it has none or one that does not add up."""
        found.complete += 1
        record = self._record(receipt)
        assert record["status"] == 200, record
        assert record["completed"] or heard.how == "left" or record["fault"] == "no_terminator", record
        if record["usage"] is None:
            found.estimated += 1
            delivered = receipt["delivered_bytes"]
            assert heard.text_bytes <= delivered <= record["text_bytes"], (heard.question.name, receipt, record)
            assert heard.how != "complete" or heard.text_bytes == delivered, (heard.question.name, receipt)
            assert record["fault"] == "usage", record
            assert receipt["usage_quarantined"] is bool(record["reported"]), (receipt, record)
            usage = self._estimate(heard, receipt, delivered)
        else:
            usage = record["usage"]
            assert (receipt["usage_source"], receipt["usage_quarantined"]) == ("vendor", False), receipt
        self._check(heard, receipt, usage, found)

    def _left(self, heard: ClientAnswer, receipt: Mapping[str, Any], found: Findings) -> None:
        """Text read by the client <= text billed <= text sent by the vendor, and the input as far as it was said."""
        found.hung_up += 1
        assert (receipt["status"], heard.how) == ("hung_up", "left"), (heard.question.name, receipt)
        self._delivered(heard, receipt, found)

    def _broken(self, heard: ClientAnswer, receipt: Mapping[str, Any], found: Findings) -> None:
        """An edition may bill what was delivered before the vendor broke off."""
        assert self.prices.edition["billing"]["broken_streams"], receipt
        assert heard.how in ("failed", "left"), heard.question.name
        assert self._record(receipt)["fault"] in _BROKEN_OFF, receipt
        found.broken += 1
        self._delivered(heard, receipt, found)

    def _delivered(self, heard: ClientAnswer, receipt: Mapping[str, Any], found: Findings) -> None:
        record = self._record(receipt)
        if receipt["usage_source"] == "vendor":  # it had said the usage, and only its terminator was awaited
            self._check(heard, receipt, record["usage"], found)
            return
        delivered = receipt["delivered_bytes"]
        assert heard.text_bytes <= delivered <= record["text_bytes"], (heard.question.name, receipt, record)
        assert delivered > 0, receipt
        self._check(heard, receipt, self._estimate(heard, receipt, delivered), found)

    def _estimate(self, heard: ClientAnswer, receipt: Mapping[str, Any], text_bytes: int) -> Mapping[str, int]:
        """Our own count, by the rule that is written down."""
        assert receipt["usage_source"] == "estimated", receipt
        record = self._record(receipt)
        output = math.ceil(text_bytes / BYTES_PER_TOKEN)
        own = {"input": math.ceil(len(heard.question.body) / BYTES_PER_TOKEN), "output": output}
        if not heard.question.stream:
            return own
        last: Mapping[str, int] | None = record["usage"]
        is_kept = last is not None and receipt["usage"]["output"] == last.get("output", 0) > output
        if record["wire"] == "anthropic_messages":
            if record["fault"] == "truncated" and not record["reported"]:  # torn off before it was written down
                return {kind: receipt["usage"][kind] for kind in _INPUT} | {"output": output}
            if last is not None and is_kept:
                return last  # came before it broke off, or the client left: the rule takes its last count
            said = _said_first(record["reported"])
            return own if said is None else said | {"output": output}
        translated = receipt["dialect"] != record["wire"]
        if translated and last is not None and receipt["usage"]["input"] != own["input"]:
            # What this vendor says last may have come before it broke off, or the client left, or not.
            return last if is_kept else {kind: last.get(kind, 0) for kind in _INPUT} | {"output": output}
        return own

    def _check(
        self, heard: ClientAnswer, receipt: Mapping[str, Any], usage: Mapping[str, int], found: Findings
    ) -> None:
        """To the nano: on the receipt, its lines, its place on the line of credit, in the head and in the answer."""
        bill = self.prices.bill(receipt["model"], receipt["provider"], usage).within(nano(receipt["hold_usd"]))
        assert {kind: count for kind, count in receipt["usage"].items() if count} == {
            kind: count for kind, count in usage.items() if count
        }, (heard.question.name, receipt, self._record(receipt))
        assert nano(receipt["cost_usd"]) == bill.total, (heard.question.name, receipt, bill)
        assert nano(receipt["service_fee_usd"]) == bill.fee, receipt
        assert nano(receipt["model_usd"]) == bill.total - bill.fee, receipt
        assert nano(receipt["overrun_usd"]) == bill.over, receipt
        place = receipt["position"]
        assert nano(place["to_usd"]) - nano(place["from_usd"]) == bill.total, receipt
        assert sum(nano(lot["amount_usd"]) for lot in receipt["lots"]) == bill.total, receipt
        vendor = self.prices.vendor_usd(receipt["model"], receipt["provider"], usage)
        assert sum(line["pico_usd"] for line in receipt["price"]["lines"]) == vendor * NANO * 1000, receipt
        if heard.how == "complete":
            _check_said(heard, receipt, bill)
        found.failed_over += len(receipt["attempts"]) > 1
        found.charged += bill.total

    def _record(self, receipt: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.records[receipt["upstream_request_id"]]


def nano(text: str) -> int:
    """A decimal string of USD as whole nano-USD, exactly."""
    amount = Fraction(text) * NANO
    assert amount.denominator == 1, text
    return amount.numerator


def _check_said(heard: ClientAnswer, receipt: Mapping[str, Any], bill: Bill) -> None:
    headers = heard.headers
    assert headers["x-tokenharbor-model"] == receipt["model"], headers
    assert headers["x-tokenharbor-provider"] == receipt["provider"], headers
    assert int(headers["x-tokenharbor-attempts"]) == len(receipt["attempts"]), headers
    if not heard.question.stream:
        assert nano(headers["x-tokenharbor-cost-usd"]) == bill.total, headers
    if heard.cost is not None:
        assert nano(heard.cost) == bill.total, heard.cost


def _per_token(each: Mapping[str, Fraction], kind: str) -> Fraction:
    for name in (kind, *_INSTEAD.get(kind, ())):
        if name in each:
            return each[name] / 1_000_000
    raise AssertionError(f"no price for {kind}")


def _said_first(reported: Sequence[Mapping[str, Any]]) -> dict[str, int] | None:
    """The input as Anthropic's dialect says it at a stream's start, None if it says none that adds up. What the output
    is begins there only, so nothing hangs on its value; but an object that holds what is no number cannot be read.
    """
    if not reported or not isinstance(reported[0]["output_tokens"], int):
        return None
    first = reported[0]
    split = first["cache_creation"]
    said = {
        "input": first["input_tokens"],
        "cache_read": first["cache_read_input_tokens"],
        "cache_write_5m": split["ephemeral_5m_input_tokens"],
        "cache_write_1h": split["ephemeral_1h_input_tokens"],
    }
    written = said["cache_write_5m"] + said["cache_write_1h"]
    return said if min(said.values()) >= 0 and written == first["cache_creation_input_tokens"] else None
