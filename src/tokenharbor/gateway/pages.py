"""The gateway's own pages: the front page, the docs, and the page for unknown paths."""

import asyncio
import html
from collections.abc import Mapping, Sequence
from datetime import datetime

from tokenharbor.gateway.docs import DocsPage, list_docs, read_docs, render_doc, sidebar_links
from tokenharbor.gateway.page import front_template, read_template, render_page
from tokenharbor.gateway.snapshot import Snapshot

_MISSING = '<h1>Page not found</h1><p>Start at the <a href="/">front page</a>.</p>'


class RenderedPage:
    """A page as it is sent: its content security policy and its body."""

    __slots__ = ("body", "policy")

    def __init__(self, policy: str, body: bytes) -> None:
        self.policy = policy
        self.body = body


class SitePages:
    """Renders the pages. `paths` has the served paths by heading. Templates and docs are read once; a page of the docs
    is rendered on first use. `notice` says on the front page why there is no dashboard.
    """

    def __init__(self, paths: Mapping[str, Sequence[str]], notice: str = "") -> None:
        self._front = front_template(paths, notice)
        self._frame = read_template("docs.html", ("style.css", "docs.css"))
        self._docs: Mapping[str, DocsPage] = read_docs()
        self._rendered: dict[str, bytes] = {}

    def front(self, snapshot: Snapshot, host: str, at: datetime) -> RenderedPage:
        listed = [doc for doc in self._docs.values() if doc.about]
        return RenderedPage(self._front.policy, render_page(self._front, snapshot, host, at, listed))

    async def doc(self, name: str) -> RenderedPage | None:
        """Return the page of a name, the list of pages for "", or None if there is no such page."""
        name = name.strip("/").removesuffix(".md")
        if not self._docs or (name and name not in self._docs):
            return None
        if name not in self._rendered:
            self._rendered[name] = await asyncio.to_thread(self._render, name)
        return RenderedPage(self._frame.policy, self._rendered[name])

    def missing(self) -> RenderedPage:
        return RenderedPage(self._frame.policy, self._framed("Page not found", _MISSING))

    def _render(self, name: str) -> bytes:
        doc = self._docs.get(name)
        if doc is None:
            return self._framed("Docs", list_docs(self._docs))
        return self._framed(doc.title, render_doc(doc), name)

    def _framed(self, title: str, body: str, name: str = "") -> bytes:
        beside = sidebar_links(self._docs, name)
        return self._frame.template.substitute(title=html.escape(title), pages=beside, body=body).encode()
