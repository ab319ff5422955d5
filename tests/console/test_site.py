"""The rendered pages of models, read as a browser without scripts reads them."""

import gzip
import json
import os
import re
import subprocess
import tomllib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from html import unescape
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import httpx
import jinja2
import pytest
from tests.console.conftest import SITE, START, Office

from tokenharbor.catalog.describe import ModelDocuments, ModelsOnSale
from tokenharbor.catalog.load import load_catalog
from tokenharbor.catalog.price import write_price
from tokenharbor.console.app import make_app
from tokenharbor.console.pages import read_dashboard
from tokenharbor.console.site.commands import NO_KEY, ClientText, chat_commands, read_clients
from tokenharbor.db.pool import ConnectOptions, open_pool
from tokenharbor.identity.roles import AccountRole
from tokenharbor.ledger.endpoint_days import add_answer_counts
from tokenharbor.ledger.history import RequestHistory
from tokenharbor.ledger.offered_prices import add_offers
from tokenharbor.wire import PROVIDER_DIALECTS

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


def stated(name: str = "acme-large", **model: Any) -> dict[str, Any]:
    """An operator's file that has a model and its provider."""
    endpoint = {"provider": "acme", "price": {"input": "2", "output": "10", "cache_read": "0.2"}}
    provider = {"wire": "openai_chat", "base_url": "https://api.acme.example/v1", "auth": "none", "label": "Acme"}
    usual = {"vendor": "acme", "context": 8000, "max_output": 1000, "endpoints": [endpoint]}
    return {"providers": {"acme": provider}, "models": {name: usual | model}}


@asynccontextmanager
async def site_of(office: Office, tables: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    """The console with the shipped catalogue and what an operator's file adds."""
    catalog = load_catalog(tables, PROVIDER_DIALECTS)
    sale = ModelsOnSale(ModelDocuments(catalog, office.context.policy().price), sorted(catalog.models))
    app = make_app(replace(office.context, catalog=lambda: catalog, models=lambda: sale))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(cast("Any", app)), base_url=SITE) as client:
        yield client


class _Tags(HTMLParser):
    """Every tag with its attributes, and every address that a page links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def of(self, name: str) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.tags if tag == name]


def listed(text: str) -> list[str]:
    """The models of a list, in its order."""
    return [
        str(each["value"])
        for each in _Tags(text).of("input")
        if each.get("type") == "checkbox" and each["name"] == "compare"
    ]


def plain(text: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


async def test_TH_A7_the_list_has_every_model_on_sale_and_each_filter_narrows_it_without_a_script(
    office: Office,
) -> None:
    documents = (await office.anybody.get("/api/models")).json()
    everything = {each["id"]: each for each in documents}
    assert sorted(listed((await office.anybody.get("/models")).text)) == sorted(everything)
    filters: Sequence[tuple[str, Any]] = (
        ("q=haiku", lambda each: "haiku" in each["id"]),
        ("q=ANTHROPIC%20opus", lambda each: "opus" in each["id"]),
        ("capability=vision", lambda each: "vision" in each["capabilities"]),
        ("capability=vision&capability=pdf", lambda each: {"vision", "pdf"} <= {*each["capabilities"]}),
        ("provider=alibaba", lambda each: any(one["name"] == "alibaba" for one in each["providers"])),
        ("surface=embeddings", lambda each: "embeddings" in each["surfaces"]),
        ("context=1000000", lambda each: each["context_length"] >= 1_000_000),
        ("free=1", lambda each: each["free"]),
        (
            "price=0.25",
            lambda each: "input" in each["pricing"] and Decimal(each["pricing"]["input"]) <= Decimal("0.25"),
        ),
        ("q=&capability=&provider=&surface=&context=&price=&sort=&in=&out=", lambda _: True),
        ("context=much&price=-1&sort=drop&in=1e9&compare=&x=1&q=" + "a" * 5000, lambda _: False),
    )
    for query, fits in filters:
        said = await office.anybody.get(f"/models?{query}")
        assert said.status_code == 200, query
        assert sorted(listed(said.text)) == sorted(each["id"] for each in documents if fits(each)), query


async def test_a_list_can_be_put_in_order(office: Office) -> None:
    known = {each["id"]: each for each in (await office.anybody.get("/api/models")).json()}
    for sort, key in (
        ("input", lambda each: Decimal(each["pricing"].get("input", "Infinity"))),
        ("output", lambda each: Decimal(each["pricing"].get("output", "Infinity"))),
        ("context", lambda each: -each["context_length"]),
        ("newest", lambda each: -each["created"]),
    ):
        found = [key(known[name]) for name in listed((await office.anybody.get(f"/models?sort={sort}")).text)]
        assert found == sorted(found), sort


async def test_what_a_call_costs_is_exact_and_of_the_cheapest_provider(office: Office) -> None:
    async with site_of(office, stated()) as client:
        for query, cost in (
            ("", "$0.03"),
            ("in=10,000&cached=4000&out=7", "$0.01287"),
            ("in=1&out=0", "$0.000002"),
            ("in=3&cached=9&out=0", "$0.0000006"),
            ("in=999999999&out=999999999&calls=999999999", "$11,999,999,976,000.000012"),
            ("in=0&out=0", "$0"),
        ):
            text = (await client.get(f"/models/acme-large?{query}")).text
            assert f'<b class="figure">{cost}</b> <span class="soft">at Acme</span>' in text, query
            row = (await client.get(f"/models?q=acme-large&{query}")).text
            assert f'<td class="n strong">{cost}</td>' in row, query


async def test_up_to_four_models_are_compared_side_by_side(office: Office) -> None:
    names = ["claude-haiku-4-5", "gpt-5.4", "no-such-model", "deepseek-flash", "gpt-4.1"]
    said = await office.anybody.get("/models?q=haiku&" + "&".join(f"compare={name}" for name in names))
    table = said.text[said.text.index('<table class="compare">') : said.text.index("</table>")]
    links = [str(each["href"]) for each in _Tags(table).of("a")]
    shown = [link.removeprefix("/models/") for link in links if link.startswith("/models/")]
    assert shown == ["claude-haiku-4-5", "gpt-5.4", "deepseek-flash"], "the fifth name is one too many"
    hidden = [each["value"] for each in _Tags(said.text).of("input") if each.get("type") == "hidden"]
    assert hidden == ["gpt-5.4", "deepseek-flash"], "what the filter hides stays chosen"
    dropped = next(link for link in links if "haiku" in link and "compare" in link and "claude" not in link)
    assert "compare=gpt-5.4" in dropped


async def test_TH_A7_a_price_is_shown_as_it_was_is_and_will_be(office: Office, database_url: str) -> None:
    coming = [{"from": START + timedelta(days=30), "input": "4"}]
    endpoint = {"provider": "acme", "price": {"input": "3", "output": "15", "later": coming}}
    tables = stated(endpoints=[endpoint])
    old = load_catalog(stated(), PROVIDER_DIALECTS).models["acme-large"].endpoints[0]
    new = load_catalog(tables, PROVIDER_DIALECTS).models["acme-large"].endpoints[0]
    async with await open_pool(ConnectOptions(database_url), size=1) as gateway:
        for each, day in ((old, -20), (old, -15), (new, -10), (new, -5)):
            assert each.price is not None
            price, at = each.price, START + timedelta(days=day)
            await RequestHistory(gateway).add_prices({price.version: write_price(price).decode()}, at)
            await add_offers(gateway, {each.name: price.version}, at)
    async with site_of(office, tables) as client:
        text = (await client.get("/models/acme-large")).text
        table = plain(text[text.index('<table class="list prices">') :].partition("</table>")[0])
    assert "Now since 19 Feb 2026, 12:00 UTC until 31 Mar 2026, 12:00 UTC $3.00 $15.00 –" in table
    assert "From 31 Mar 2026, 12:00 UTC $4.00 $15.00 –" in table
    assert "Until 19 Feb 2026, 12:00 UTC $2.00 $10.00 $0.20" in table
    assert table.index("Now") < table.index("From 31") < table.index("Until 19")


async def test_TH_A7_a_provider_shows_which_share_of_its_calls_it_answered_and_never_how_many(
    office: Office, database_url: str
) -> None:
    tables = stated()
    tables["providers"]["acme"]["wires"] = {"openai_responses": {"base_url": "https://api.acme.example/v1"}}
    chat, other = "acme/acme-large:openai_chat", "acme/acme-large:openai_responses"
    shares = []
    async with await open_pool(ConnectOptions(database_url), size=1) as gateway, site_of(office, tables) as client:
        for days_ago, counts in (
            (7, {chat: (0, 5000)}),  # a day too old
            (6, {chat: (18, 1)}),
            (0, {other: (7172, 50)}),
            (0, {chat: (-1, 1)}),  # a stream that broke off
            (0, {chat: (0, 999)}),
        ):
            await add_answer_counts(gateway, counts, (START - timedelta(days=days_ago)).date())
            cast("Any", office.context.world.clock).advance(timedelta(minutes=1))
            text = (await client.get("/models/acme-large")).text
            row = re.search(r'<th scope="row">Acme.*?</tr>', text, re.DOTALL)
            assert row is not None
            shares.append(re.findall(r'<td class="n">(.*?)</td>', row[0]))
            assert not re.search(r"\b(19|71\d\d|72\d\d|7,[12]\d\d)\b", plain(text)), "no count is told"
    assert shares == [["–"], ["–"], ["99.2%"], ["99.2%"], ["87%"]]


async def test_hostile_names_are_text_and_nothing_else(office: Office) -> None:
    tables = stated(label=HOSTILE)
    tables["providers"]["acme"]["label"] = HOSTILE
    async with site_of(office, tables) as client:
        for path in (
            "/models",
            "/models/acme-large",
            f"/models?q={HOSTILE}&provider={HOSTILE}&compare=acme-large",
            f"/models/{HOSTILE}",
            "/models/%3Cscript%3E",
        ):
            text = (await client.get(path)).text
            tags = _Tags(text)
            assert not [each for each in tags.of("script") if "src" not in each], path
            assert not tags.of("img"), path
            assert not [name for _, attrs in tags.tags for name in attrs if name.startswith("on") or name == "style"], (
                path
            )


async def test_an_unknown_model_is_a_page_that_names_those_like_it(office: Office) -> None:
    said = await office.anybody.get("/models/claude-haiku-4-6")
    assert said.status_code == 404
    assert said.headers["content-type"].startswith("text/html")
    assert 'name="robots" content="noindex"' in said.text
    assert 'href="/models/claude-haiku-4-5"' in said.text


async def test_other_names_of_a_model_lead_to_its_page_and_names_may_have_slashes(office: Office) -> None:
    tables = stated("org/large:free", aliases=["large@1"])
    async with site_of(office, tables) as client:
        assert (await client.get("/models/org/large:free")).status_code == 200
        assert 'href="/models/org/large:free"' in (await client.get("/models")).text
        for name in ("large@1", "acme/large@1", "acme/org/large:free"):
            said = await client.get(f"/models/{name}?lang=zh&in=5")
            assert (said.status_code, said.headers["location"]) == (302, "/models/org/large:free?in=5&lang=zh"), name


async def test_pages_need_no_script_load_only_our_own_files_and_say_so(office: Office, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<!doctype html>")
    (tmp_path / "manifest.json").write_text(
        '{"src/site/site.ts": {"file": "assets/site-A.js", "css": ["assets/site-B.css"], "assets": ["assets/C.woff2"]}}'
    )
    app = make_app(office.context, read_dashboard(tmp_path))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(cast("Any", app)), base_url=SITE) as client:
        for path in ("/models", "/models/gpt-5.4", "/models/none"):
            said = await client.get(path)
            policy = dict(
                each.strip().partition(" ")[::2] for each in said.headers["content-security-policy"].split(";")
            )
            assert (policy["default-src"], policy["script-src"], policy["style-src"]) == ("'none'", "'self'", "'self'")
            tags = _Tags(said.text)
            assert tags.of("script") == [{"type": "module", "src": "/dashboard/assets/site-A.js"}]
            assert "style" not in {tag for tag, _ in tags.tags}
            assert not [name for _, attrs in tags.tags for name in attrs if name == "style" or name.startswith("on")]
            assert "/dashboard/assets/site-B.css" in {each.get("href") for each in tags.of("link")}
            assert said.headers["x-content-type-options"] == "nosniff"
    bare = _Tags((await office.anybody.get("/models")).text)  # without a build
    assert not bare.of("script")
    assert {"method": "get", "action": "/models"}.items() <= bare.of("form")[0].items()
    assert [each for each in bare.of("button") if each.get("type") == "submit"]


async def test_a_page_says_what_it_is_about_in_its_head(office: Office) -> None:
    text = (await office.anybody.get("/models/claude-haiku-4-5?in=7&lang=en")).text
    assert '<html lang="en"' in text
    assert "<title>Claude Haiku 4.5: price, providers, context · Token Harbor</title>" in text
    assert f'<link rel="canonical" href="{SITE}/models/claude-haiku-4-5">' in text
    assert f'<link rel="alternate" hreflang="zh" href="{SITE}/models/claude-haiku-4-5?lang=zh">' in text
    assert re.search(r'<meta name="description" content="[^"]{40,}">', text)


async def test_the_language_is_that_of_the_address_else_of_the_reader_else_of_the_browser(office: Office) -> None:
    for query, cookie, accepts, language in (
        ("", "", "", "en"),
        ("", "", "fr;q=0.9, zh-CN;q=0.8, en;q=0.7", "zh"),
        ("", "", "de, en-GB;q=0.9, zh;q=0.5", "en"),
        ("", "", "zh;q=0, en;q=0.1", "en"),
        ("", "th-language=zh", "en", "zh"),
        ("?lang=en", "th-language=zh", "zh", "en"),
        ("?lang=xx", "", "zh", "zh"),
    ):
        said = await office.client.get(f"/models{query}", headers={"cookie": cookie, "accept-language": accepts})
        assert f'<html lang="{language}"' in said.text, (query, cookie, accepts)
        assert "cookie" in said.headers["vary"]
    stays = (await office.anybody.get("/models?lang=zh")).text
    assert "/models/gpt-5.4?lang=zh" in stays
    dark = await office.client.get("/models", headers={"cookie": "th-scheme=dark"})
    assert '<html lang="en" data-mantine-color-scheme="dark">' in dark.text


def test_every_word_of_the_templates_has_its_chinese() -> None:
    folder = files("tokenharbor.console.site")
    chinese = tomllib.loads(folder.joinpath("words.toml").read_text("utf-8"))["zh"]
    sources = {each.name: each.read_text("utf-8") for each in folder.joinpath("templates").iterdir()}
    words = {
        word
        for text in sources.values()
        for pair in re.findall(r"""\bt\(\s*(?:"([^"]+)"|'([^']+)')""", text)
        for word in pair
        if word
    }
    tables = re.findall(r"set \w+ = (\{[^}]+\})", sources["parts.html"])
    tables += re.findall(r"t\((\{[^}]+\})", sources["models.html"])
    words |= {word for table in tables for word in re.findall(r': "([^"]+)"', table)}
    words |= set(re.findall(r'words\("([^"]+)"', folder.joinpath("numbers.py").read_text("utf-8")))
    assert len(words) > 100
    assert words <= chinese.keys(), words - chinese.keys()
    for english, said in chinese.items():
        assert sorted(re.findall(r"\{\w+\}", english)) == sorted(re.findall(r"\{\w+\}", said)), english


async def test_a_page_is_made_once_and_sent_compressed_or_not_at_all(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = 0
    render = jinja2.Template.render

    def counted(self: jinja2.Template, *args: Any, **kwargs: Any) -> str:
        nonlocal made
        made += 1
        return render(self, *args, **kwargs)

    monkeypatch.setattr(jinja2.Template, "render", counted)
    first = await office.client.get("/models", headers={"accept-encoding": "gzip"})
    assert (first.status_code, first.headers["content-encoding"]) == (200, "gzip")
    whole = await office.client.get("/models?sort=name&unknown=1", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in whole.headers
    assert whole.text == first.text
    assert len(gzip.compress(whole.content)) < 10_000
    again = await office.client.get(
        "/models", headers={"accept-encoding": "gzip", "if-none-match": first.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    assert made == 1
    assert (await office.client.head("/models")).status_code == 200
    cast("Any", office.context.world.clock).advance(timedelta(minutes=1))
    later = await office.client.get(
        "/models", headers={"if-none-match": first.headers["etag"], "accept-encoding": "gzip"}
    )
    assert (later.status_code, made) == (304, 2), "prices are looked at each minute"


async def test_a_signed_in_reader_has_a_way_back_to_the_dashboard(office: Office) -> None:
    hrefs = [each.get("href") for each in _Tags((await office.anybody.get("/models")).text).of("a")]
    assert "/dashboard/sign-in" in hrefs
    assert "/dashboard/" not in hrefs
    hrefs = [each.get("href") for each in _Tags((await office.member(AccountRole.VIEWER).get("/models")).text).of("a")]
    assert "/dashboard/sign-in" not in hrefs
    assert "/dashboard/" in hrefs


async def test_a_free_model_says_its_limits_and_what_one_agrees_to(office: Office) -> None:
    free = office.context.policy().free
    async with site_of(office, stated("acme-mini", endpoints=[{"provider": "acme", "free": True}])) as client:
        text = plain((await client.get("/models/acme-mini")).text)
        assert free.consent in text
        assert f"{free.requests} requests to free models every {free.window_hours} hours" in text
        assert str(free.topped_up_requests) in text
        assert listed((await client.get("/models?free=1")).text) == ["acme-mini"]


async def test_an_account_is_told_how_many_free_calls_it_has_left_and_until_when(office: Office) -> None:
    path, free = f"{office.account_path}/free-models/allowance", office.context.policy().free
    reader = office.member(AccountRole.VIEWER)
    whole = {"limit": free.requests, "left": free.requests, "window_hours": 5, "resets_at": None}
    assert (await reader.get(path)).json() == {"enabled": False, **whole}
    async with office.context.pool.acquire() as conn:
        await conn.execute(
            "update wallet set free_start = $2, free_requests = 7 where account_id = $1",
            office.account.id,
            START - timedelta(hours=4),
        )
        await conn.execute("update account set free_models = true where id = $1", office.account.id)
        said = (await reader.get(path)).json()
        assert said == {"enabled": True, **whole, "left": free.requests - 7, "resets_at": "2026-03-01T13:00:00Z"}
        await conn.execute("update wallet set free_requests = 999 where account_id = $1", office.account.id)
        assert (await reader.get(path)).json()["left"] == 0
        cast("Any", office.context.world.clock).advance(timedelta(hours=1))
        assert (await reader.get(path)).json() == {"enabled": True, **whole}
        paid = office.context.policy().topups.smallest_pack
        await conn.execute("update wallet set topped_up = $2 where account_id = $1", office.account.id, int(paid))
        assert (await reader.get(path)).json()["limit"] == free.topped_up_requests


async def test_a_page_shows_each_client_of_the_dashboard_with_the_model_filled_in(office: Office) -> None:
    text = (await office.anybody.get("/models/claude-haiku-4-5")).text
    for each in chat_commands():
        assert f"<summary>{each['name']}</summary>" in text
        assert not {"<origin>", "<key>", "<model>"} & set(re.findall(r"<\w+>", unescape(text)))
    assert unescape(text).count(SITE) > len(chat_commands())
    voice = (await office.anybody.get("/models?surface=speech")).text
    spoken = (await office.anybody.get(f"/models/{listed(voice)[0]}")).text
    assert "/v1/audio/speech" in spoken
    assert "Claude Code" not in spoken


@pytest.mark.parametrize(
    "client", [each for each in read_clients() if "import " not in each.text], ids=lambda each: each.id
)
def test_a_command_that_is_pasted_into_a_shell_sends_the_key_of_its_variable(
    client: ClientText, tmp_path: Path
) -> None:
    """Programs of these names write down what they are started with."""
    said = tmp_path / "said"
    for name in ("curl", "claude", "codex", "opencode", "gemini"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > '{said}'\nenv >> '{said}'\n")
        program.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:{os.defpath}", NO_KEY.removeprefix("$"): "th_live_of_the_test"}
    pasted = client.filled(SITE, "acme-large")
    subprocess.run(["/bin/sh", "-euc", pasted], env=environ, cwd=tmp_path, check=True)
    written = said.read_text()
    assert NO_KEY not in written
    assert "acme-large" in written
    sent = [line for line in written.splitlines() if not line.startswith(NO_KEY.removeprefix("$"))]
    if client.id == "codex":  # which reads the variable itself
        assert 'env_key="TOKENHARBOR_KEY"' in written
    else:
        assert any("th_live_of_the_test" in line for line in sent), written
    if client.id == "opencode":
        config = json.loads(written.partition("OPENCODE_CONFIG_CONTENT=")[2].partition("}}}}}")[0] + "}}}}}")
        assert config["provider"]["harbor"]["options"]["apiKey"] == "th_live_of_the_test"


async def test_without_the_database_the_pages_are_there(office: Office) -> None:
    await office.context.pool.close()
    assert (await office.anybody.get("/models/gpt-5.4")).status_code == 200


async def test_th_o1_the_list_says_which_models_stand_behind_one_name(office: Office) -> None:
    async with site_of(office, stated()) as site:
        said = await site.get("/models")
        section = said.text.partition('<section id="orchestra"')[2].partition("</section>")[0]
        for stage, pool in office.context.policy().orchestra.pools().items():
            assert f"th-orchestra/{stage}" in section
            assert all(f'href="/models/{name}"' in section for name in pool)
        led = await site.get("/models/th-orchestra")
        assert (led.status_code, led.headers["location"]) == (302, "/models#orchestra")
        assert (await site.get("/models/th-orchestra/coding")).status_code == 404
        chinese = await site.get("/models?lang=zh")
        assert "一个名称，多个模型" in chinese.text
