"""The gateway's own pages: the front page, the docs, and the page for unknown paths."""

import base64
import dataclasses
import hashlib
import re
from html.parser import HTMLParser

import pytest
from tests.gateway.house import House
from tests.house.checkout import ROOT

from tokenharbor.app.first_run import KEY_VARIABLE
from tokenharbor.gateway.page import front_template, render_page

pytestmark = pytest.mark.asyncio(loop_scope="session")

VOID = {"meta", "link", "input", "br", "hr", "img", "circle", "path"}
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class Outline(HTMLParser):
    """Elements, ids, links and texts of a page; every element that is opened is closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        found = dict(attrs)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.links += [found["href"] or ""] if tag == "a" else []
        self.sources += [value or "" for name, value in attrs if name == "src" or (tag == "link" and name == "href")]
        assert not any(name.startswith("on") or name == "style" for name, _ in attrs), (
            "the policy lets none of these run"
        )

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


async def page(house: House, path: str = "/") -> str:
    said = await house.ask("GET", path, {"host": "harbor.example:8080"})
    assert (said.status, said.headers["content-type"]) == (200, "text/html; charset=utf-8"), path
    return said.body.decode()


async def test_C8_every_link_leads_somewhere(house: House) -> None:
    outlines: dict[str, Outline] = {}  # of each page once: some are linked to a hundred times

    async def outline_of(path: str) -> Outline:
        if path not in outlines:
            outlines[path] = Outline(await page(house, path))
        return outlines[path]

    seen, waiting = {"/"}, ["/"]
    while waiting:
        here = waiting.pop()
        outline = await outline_of(here)
        assert len(outline.ids) == len(set(outline.ids)) or here.startswith("/docs/"), here
        for link in outline.links:
            path, _, anchor = link.partition("#")
            if "://" in link:
                continue
            target = path or here
            if not target.startswith("/docs") and target != "/":
                assert (await house.ask("GET", target)).status == 200, (here, link)
                continue
            assert anchor in ("", *(await outline_of(target)).ids), (here, link)
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    names = {path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert {f"/docs/{name}" for name in names} <= seen


async def test_C8_the_page_fetches_nothing_from_elsewhere_and_runs_only_its_own(house: House) -> None:
    for path in ("/", "/docs", "/docs/api"):
        said = await house.ask("GET", path)
        text = said.body.decode()
        assert all(source.startswith("data:") for source in Outline(text).sources)
        policy = said.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        for tag in ("style", "script"):
            for inside in re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL):
                digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
                assert f"{tag}-src 'sha256-{digest}'" in policy


async def test_C8_the_keys_variable_has_one_name_everywhere(house: House) -> None:
    pages = [await page(house), (ROOT / "README.md").read_text(), (ROOT / "docs/clients.md").read_text()]
    for text in pages:
        assert KEY_VARIABLE in text
        assert set(re.findall(r"\$\{?([A-Z_]*KEY)\b", text)) <= {KEY_VARIABLE}
    assert pages[0].count(f"export {KEY_VARIABLE}=thk_live_") == 1


async def test_C8_models_stand_by_vendor_with_those_that_are_on_first(house: House) -> None:
    text = await page(house)
    groups = re.findall(r"<details class=\"\w+\"( open)?>(.*?)</details>", text, re.DOTALL)
    on = ['class="ready"' in group for _, group in groups]
    assert on == sorted(on, reverse=True)
    assert [bool(opened) for opened, _ in groups] == on
    for _, group in groups:
        rows = re.findall(r'<tr class="(ready|off)"', group)
        assert rows == sorted(rows, reverse=True)
    names = re.findall(r'<th scope="row"><code>([^<]+)', text)
    assert sorted(names) == sorted(house.harbor.snapshots.current.offers)
    assert "set <code>OPENAI_API_KEY</code>" in text


async def test_C8_the_page_works_with_the_demo_alone_and_with_nothing_on(house: House) -> None:
    snapshot = house.harbor.snapshots.current
    demo = {name: offers for name, offers in snapshot.offers.items() if offers.model.vendor == "demo"}
    empty = {name: type(offers)(offers.model, offers.candidates, {}, {}) for name, offers in demo.items()}
    at = house.parts.world.clock.now()
    for models, first in ((demo, "demo-chat"), (empty, "MODEL"), ({}, "MODEL")):
        known = dataclasses.replace(snapshot, offers=models)
        text = render_page(front_template({}), known, "h", at).decode()
        Outline(text)
        assert f'{{"model": "{first}"' in text
        assert 'href="/docs' not in text, "without docs there is no link to them"


async def test_C8_a_browser_that_has_the_page_is_told_so(house: House) -> None:
    for path in ("/", "/docs", "/docs/money"):
        got, headed = await house.ask("GET", path), await house.ask("HEAD", path)
        assert (got.status, headed.status, headed.body) == (200, 200, b"")
        assert headed.headers["content-length"] == str(len(got.body))
        assert got.headers["cache-control"] == "no-cache"
        again = await house.ask("GET", path, {"if-none-match": got.headers["etag"]})
        assert (again.status, again.body) == (304, b"")
        assert (await house.ask("GET", path, {"if-none-match": '"other"'})).status == 200


async def test_C8_where_nothing_is_a_browser_gets_a_page_and_programs_a_line(house: House) -> None:
    for path in ("/nowhere", "/docs/nowhere", "/docs/../secret.key", "/docs/%2e%2e/README", "/docs//etc/passwd"):
        seen = await house.ask("GET", path, BROWSER)
        assert (seen.status, seen.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert 'href="/"' in seen.body.decode()
        assert (await house.ask("GET", path)).headers["content-type"].startswith("text/plain")
    for path in ("/", "/docs"):
        said = await house.ask("DELETE", path)
        assert (said.status, said.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


async def test_C8_the_page_is_for_keyboards_and_screen_readers(house: House) -> None:
    text = await page(house)
    assert '<html lang="en">' in text
    assert 'href="#main"' in text
    assert '<label for="filter">' in text
    assert text.count("<h1") == 1
    assert not re.search(r"<th(?! scope|ead)", text)
    assert re.search(r'role="status"|aria-live', text)


async def test_the_front_page_says_why_it_stands_in_place_of_the_dashboard() -> None:
    notice = "The dashboard is not built: npm ci failed: $ERROR <b>"
    assert "npm ci failed: $$ERROR &lt;b&gt;" in front_template({}, notice).template.template
    assert "notice" not in front_template({}).template.template.partition("<body")[2]
