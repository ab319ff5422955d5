"""Pages from templates: rendered once for those who see the same, and kept compressed until something else is sold."""

import gzip
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Any, Final
from urllib.parse import quote

from jinja2 import DictLoader, Environment, StrictUndefined
from litestar import Response

from tokenharbor.console.site import numbers
from tokenharbor.console.site.assets import SiteAssets
from tokenharbor.console.site.query import NO_QUERY, ModelQuery
from tokenharbor.console.site.reader import SiteReader
from tokenharbor.console.site.words import LANGUAGES, Language, SiteWords, read_words

_TEMPLATES: Final = "tokenharbor.console.site.templates"
_MOST_KEPT: Final = 400  # pages
_LEVEL: Final = 6
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "private, no-cache",
    "vary": "accept-encoding, accept-language, cookie",
}


@dataclass(frozen=True, slots=True)
class SitePage:
    """A page, and the same compressed. `etag` names what is in it."""

    status: int
    body: bytes
    compressed: bytes
    etag: str

    def answer(self, accepted: str, known: str) -> Response[bytes]:
        """Nothing but the name for who has it already."""
        coded = "gzip" in accepted
        etag = f'"{self.etag}{"-gzip" if coded else ""}"'
        headers = {**HEADERS, "etag": etag}
        if self.status == 200 and etag in (each.strip().removeprefix("W/") for each in known.split(",")):
            return Response(b"", status_code=304, headers=headers, media_type="text/html")
        if coded:
            headers["content-encoding"] = "gzip"
        body = self.compressed if coded else self.body
        return Response(body, status_code=self.status, headers=headers, media_type="text/html")


class PageRenderer:
    """The templates, and the pages that were made of them."""

    def __init__(self, assets: SiteAssets) -> None:
        self._words: Mapping[Language, SiteWords] = read_words()
        self._templates = _environment(assets)
        self._kept: OrderedDict[Hashable, SitePage] = OrderedDict()

    def forget(self) -> None:
        self._kept.clear()

    def page(
        self, key: Hashable, reader: SiteReader, template: str, values: Callable[[], Mapping[str, Any]]
    ) -> SitePage:
        """The page of a key and a reader; made if it is not kept. `status` is 200 if the values do not state it."""
        kept = self._kept.get((key, reader))
        if kept is not None:
            self._kept.move_to_end((key, reader))
            return kept
        words = self._words[reader.language]
        stated = values()
        formats = {name: partial(getattr(numbers, name), words=words) for name in _IN_WORDS}
        text = self._templates.get_template(template).render(
            t=words, reader=reader, to=partial(_address, reader), **formats, **stated
        )
        made = _page(text, stated.get("status", 200))
        self._kept[key, reader] = made
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return made


def _address(reader: SiteReader, path: str, query: ModelQuery = NO_QUERY, **instead: str) -> str:
    """A path with its query, in the language of the address that was asked for."""
    return path + query.written(**({"lang": reader.language} if reader.stated else {}) | instead)


_PLAIN: Final = ("show_price", "show_cost", "show_tokens", "show_percent", "show_share")
_IN_WORDS: Final = ("show_day", "show_hours", "show_retention")


def model_path(name: str) -> str:
    """Names may have slashes."""
    return f"/models/{quote(name, safe='/:@+')}"


def _environment(assets: SiteAssets) -> Environment:
    found = [each for each in files(_TEMPLATES).iterdir() if each.name.endswith(".html")]
    sources = {each.name: each.read_text("utf-8") for each in found}
    made = Environment(
        loader=DictLoader(sources),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"assets": assets, "languages": LANGUAGES, "model_path": model_path}
    made.globals |= {name: getattr(numbers, name) for name in _PLAIN}
    return made


def _page(text: str, status: int) -> SitePage:
    body = text.encode()
    etag = hashlib.sha256(body).hexdigest()[:32]
    return SitePage(status, body, gzip.compress(body, _LEVEL, mtime=0), etag)
