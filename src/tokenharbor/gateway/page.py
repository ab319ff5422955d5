"""The front page until a console runs: what is served here, its models, a first request to copy."""

import html
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from importlib.resources import files
from string import Template
from typing import Any

from tokenharbor.catalog.describe import OTHER_UNITS
from tokenharbor.catalog.surfaces import CHAT
from tokenharbor.gateway.snapshot import Snapshot


def render_page(snapshot: Snapshot, host: str, at: datetime) -> bytes:
    """One self-contained page with the prices of `at`; nothing in it is fetched from elsewhere."""
    shelves = sorted(
        snapshot.shelves.values(), key=lambda shelf: (not shelf.sales, shelf.model.vendor, shelf.model.name)
    )
    ready = [shelf for shelf in shelves if shelf.sales]
    template = Template(files("tokenharbor.gateway").joinpath("page.html").read_text("utf-8"))
    first = next((shelf.model.name for shelf in ready if CHAT in shelf.model.surfaces), "MODEL")
    page = template.substitute(
        host=html.escape(host),
        first=html.escape(first),
        edition=html.escape(snapshot.policy.name),
        ready=len(ready),
        known=len(shelves),
        fee=f"{Decimal(snapshot.policy.service_fee_bp) / 100:f}",
        rows="\n".join(_row(snapshot.showcase.model(each.model.name, at), on=bool(each.sales)) for each in shelves),
    )
    return page.encode()


def _row(shown: Mapping[str, Any], *, on: bool) -> str:
    providers = ", ".join(provider["name"] for provider in shown["providers"])
    cells = (
        f'<td><code>{html.escape(shown["id"])}</code></td><td class="n less">{_tokens(shown["context_length"])}</td>'
        f"{_prices(shown['pricing'] or {})}"
        f'<td class="less">{html.escape(providers)}</td><td>{"on" if on else "needs a key"}</td>'
    )
    return f'<tr class="{"on" if on else "off"}">{cells}</tr>'


def _prices(pricing: Mapping[str, Any]) -> str:
    """Two cells, input and output by tokens; or one across both that says how else the model is sold."""
    other = next((field for field in OTHER_UNITS if field in pricing), None)
    if other is not None and "input" not in pricing:
        return f'<td class="n" colspan="2">{_price(pricing[other])} {OTHER_UNITS[other]}</td>'
    return "".join(f'<td class="n">{_price(pricing.get(field))}</td>' for field in ("input", "output"))


def _price(amount: str | None) -> str:
    """With at least two places."""
    if amount is None:
        return "—"
    whole, _, places = amount.partition(".")
    return f"${whole}.{places.ljust(2, '0')}"


def _tokens(count: int) -> str:
    if not count:
        return "—"
    return f"{count // 1000}k" if count < 1_000_000 else f"{count / 1_000_000:.4g}M"
