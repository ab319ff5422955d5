"""The front page without a console: a first request to copy, the models on sale, the paths, the docs."""

import base64
import hashlib
import html
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from importlib.resources import files
from string import Template
from typing import Any

import msgspec

from tokenharbor import __version__
from tokenharbor.catalog.describe import OTHER_UNITS
from tokenharbor.catalog.surfaces import CHAT
from tokenharbor.gateway.docs import DocsPage
from tokenharbor.gateway.offers import ModelOffers
from tokenharbor.gateway.snapshot import Snapshot

_DOCS_LINK = '<a href="/docs">Docs</a>'
_CLIENTS_LINK = '<p class="soft"><a href="/docs/clients">More clients</a>, each tested with providers of every API.</p>'


class PageTemplate(msgspec.Struct, frozen=True):
    """A page's template with its inline style and script, and the content security policy that allows only these."""

    template: Template
    policy: str


def read_template(name: str, styles: Sequence[str], script: str | None = None) -> PageTemplate:
    """Read a template from files of this folder."""
    style = "".join(read_text(each) for each in styles)
    code = "" if script is None else read_text(script)
    text = read_text(name).replace("$style", _escaped(style)).replace("$script", _escaped(code))
    allowed = f"style-src {_digest(style)}; img-src data:" + (f"; script-src {_digest(code)}" if code else "")
    return PageTemplate(Template(text), f"default-src 'none'; base-uri 'none'; form-action 'none'; {allowed}")


def read_text(name: str) -> str:
    return files("tokenharbor.gateway").joinpath(name).read_text("utf-8")


def _escaped(text: str) -> str:
    return text.replace("$", "$$")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def front_template(paths: Mapping[str, Sequence[str]], notice: str = "") -> PageTemplate:
    """Return the front page's template with the served paths, by heading. `notice` says why there is no dashboard."""
    frame = read_template("page.html", ("style.css", "page.css"), "page.js")
    groups = "\n".join(_path_group(heading, listed) for heading, listed in paths.items())
    shown = f'<p class="notice" role="status">{html.escape(notice)}</p>' if notice else ""
    text = frame.template.template.replace("$paths", groups).replace("$notice", _escaped(shown))
    return msgspec.structs.replace(frame, template=Template(text))


def _path_group(heading: str, paths: Sequence[str]) -> str:
    shown = " ".join(f"<code>{html.escape(path)}</code>" for path in paths)
    return f"<dt>{html.escape(heading)}</dt><dd>{shown}</dd>"


def render_page(
    frame: PageTemplate, snapshot: Snapshot, host: str, at: datetime, docs: Iterable[DocsPage] = ()
) -> bytes:
    """Return the front page, self-contained, with the prices at `at`."""
    models = list(snapshot.offers.values())
    ready = [offers for offers in models if offers.ready]
    usual = [offers for offers in ready if CHAT in offers.model.surfaces and not offers.model.free]
    first = min(usual, key=_needs_a_key, default=None)
    links = "\n".join(_page_link(doc) for doc in docs)
    page = frame.template.substitute(
        host=html.escape(host),
        first=html.escape(first.model.name if first else "MODEL"),
        edition=html.escape(snapshot.policy.name),
        ready=len(ready),
        known=len(models),
        fee=f"{Decimal(snapshot.policy.price.service_fee_bp) / 100:f}",
        groups="\n".join(_groups(snapshot, at)),
        docs=f'<section aria-labelledby="docs"><h2 id="docs">Docs</h2><ul class="pages">{links}</ul></section>'
        if links
        else "",
        docs_link=_DOCS_LINK if links else "",
        clients_link=_CLIENTS_LINK if links else "",
        version=__version__,
    )
    return page.encode()


def _needs_a_key(offers: ModelOffers) -> tuple[bool, str]:
    """Order models for the first request: those without a provider's API key come first, then by name."""
    return not any(ready.endpoint.provider.auth == "none" for ready in offers.ready.values()), offers.model.name


def _page_link(doc: DocsPage) -> str:
    return f'<li><a href="/docs/{doc.name}"><b>{html.escape(doc.label)}</b>{html.escape(doc.about)}</a></li>'


def _groups(snapshot: Snapshot, at: datetime) -> Iterable[str]:
    """Yield each vendor with its models. Vendors with models on sale come first, and are shown open."""
    by_vendor: dict[str, list[ModelOffers]] = {}
    for offers in snapshot.offers.values():
        by_vendor.setdefault(offers.model.vendor, []).append(offers)

    def is_off(vendor: str) -> tuple[bool, str]:
        return not any(offers.ready for offers in by_vendor[vendor]), vendor

    for vendor in sorted(by_vendor, key=is_off):
        models = sorted(by_vendor[vendor], key=lambda offers: (not offers.ready, offers.model.name))
        yield _group(snapshot, vendor, models, at)


def _group(snapshot: Snapshot, vendor: str, models: Sequence[ModelOffers], at: datetime) -> str:
    ready = sum(bool(offers.ready) for offers in models)
    maker = snapshot.catalog.providers.get(vendor)
    name = html.escape(maker.label if maker else vendor or "Other")
    known = len(models)
    count = f"{ready} of {known} available" if ready else f"{known} model{'s' if known > 1 else ''}"
    hint = f'<span class="hint">{_how_to_turn_on(models)}</span>' if ready < len(models) else ""
    rows = "\n".join(
        _row(snapshot.documents.model(each.model.name, at), vendor, on=bool(each.ready)) for each in models
    )
    return (
        f'<details class="{"mixed" if hint else "same"}"{" open" if ready else ""}>'
        f'<summary><b>{name}</b><span class="n">{count}</span>{hint}</summary>'
        '<table><thead><tr><th scope="col">Model</th><th scope="col" class="n less">Context</th>'
        '<th scope="col" class="n">Input</th><th scope="col" class="n">Output</th>'
        f'<th scope="col" class="less">Providers</th></tr></thead><tbody>\n{rows}\n</tbody></table></details>'
    )


def _how_to_turn_on(models: Sequence[ModelOffers]) -> str:
    """Return a hint that names the environment variables for the providers' API keys."""
    credentials = {
        endpoint.provider.credential or ""
        for offers in models
        if not offers.ready
        for endpoint in offers.model.endpoints
    }
    names = sorted(each.removeprefix("env:") for each in credentials if each.startswith("env:"))
    if not names:
        return "unavailable: no credential"
    return "unavailable: set " + " or ".join(f"<code>{html.escape(name)}</code>" for name in names)


def _row(shown: Mapping[str, Any], vendor: str, *, on: bool) -> str:
    marks = [*(["available"] if on else []), *(["free"] if shown["free"] else [])]
    state = "".join(f'<span class="on">{mark}</span>' for mark in marks)
    providers = ", ".join(provider["name"] for provider in shown["providers"])
    words = " ".join((shown["id"], shown["display_name"], vendor, providers, *shown["surfaces"])).lower()
    return (
        f'<tr class="{"ready" if on else "off"}" data-words="{html.escape(words)}">'
        f'<th scope="row"><code>{html.escape(shown["id"])}</code>{state}</th>'
        f'<td class="n less">{_tokens(shown["context_length"])}</td>'
        f'{_prices(shown["pricing"] or {})}<td class="less">{html.escape(providers)}</td></tr>'
    )


def _prices(pricing: Mapping[str, Any]) -> str:
    """Return two cells, the prices of input and output tokens; or one cell across both with the price of
    another unit.
    """
    other = next((field for field in OTHER_UNITS if field in pricing), None)
    if other is not None and "input" not in pricing:
        return f'<td class="n wide" colspan="2">{_price(pricing[other])} {OTHER_UNITS[other]}</td>'
    return "".join(f'<td class="n">{_price(pricing.get(field))}</td>' for field in ("input", "output"))


def _price(amount: str | None) -> str:
    """Return a price with at least two decimals."""
    if amount is None:
        return "—"
    whole, _, places = amount.partition(".")
    return f"${whole}.{places.ljust(2, '0')}"


def _tokens(count: int) -> str:
    if not count:
        return "—"
    return f"{count // 1000}k" if count < 1_000_000 else f"{count / 1_000_000:.4g}M"
