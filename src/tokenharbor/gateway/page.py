"""The front page until a console runs: what is served here, its models, a first request to copy."""

import html
from importlib.resources import files
from string import Template

from tokenharbor.catalog.surfaces import CHAT
from tokenharbor.gateway.snapshot import Shelf, Snapshot


def render_page(snapshot: Snapshot, host: str) -> bytes:
    """One self-contained page; nothing in it is fetched from elsewhere."""
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
        rows="\n".join(_row(shelf) for shelf in shelves),
    )
    return page.encode()


def _row(shelf: Shelf) -> str:
    model = shelf.model
    providers = ", ".join(dict.fromkeys(each.endpoint.provider.name for each in shelf.candidates))
    cells = (
        f'<td><code>{html.escape(model.name)}</code></td><td class="n">{_tokens(model.context)}</td>'
        f'<td class="n">{_price(shelf, "input")}</td><td class="n">{_price(shelf, "output")}</td>'
        f"<td>{html.escape(providers)}</td><td>{'on' if shelf.sales else 'needs a key'}</td>"
    )
    return f'<tr class="{"on" if shelf.sales else "off"}">{cells}</tr>'


def _price(shelf: Shelf, unit: str) -> str:
    """The lowest step of the first priced endpoint."""
    prices = [each.endpoint.price for each in shelf.candidates if each.endpoint.price is not None]
    pico = next((line.pico for price in prices for line in price.components if line.unit == unit), None)
    if pico is None:
        return "—"
    whole, rest = divmod(pico, 1_000_000)
    return f"${whole}." + f"{rest:06d}".rstrip("0").ljust(2, "0")


def _tokens(count: int) -> str:
    if not count:
        return "—"
    return f"{count // 1000}k" if count < 1_000_000 else f"{count / 1_000_000:.4g}M"
