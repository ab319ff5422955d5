"""The docs under `/docs`: each page is one of the Markdown files that come with the program."""

import html
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import pairwise

import msgspec
from markdown_it import MarkdownIt
from markdown_it.token import Token

_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
_PAGE = re.compile(r"([\w./-]+)\.md(#.*)?")
_NAME = re.compile(r"[a-z0-9-]+(/[A-Za-z0-9-]+)?")
_ABOUT: Mapping[str, tuple[str, str]] = {
    "clients": ("Clients", "Set up Claude Code, Codex, opencode, Gemini CLI, SDKs and others"),
    "api": ("API", "Paths, gateway fields, headers, limits, errors and receipts"),
    "orchestra": ("Orchestra", "One model name for several models, chosen by the stage of work"),
    "caches": ("Caches", "When an answer is repeated, what it saves, where it is kept"),
    "catalogue": ("Catalogue", "Models, providers and prices, and how to add your own"),
    "translation": ("Translation", "How each field is translated for a provider of another API"),
    "receipts": ("Receipts", "Verify a receipt offline, keep signed roots"),
    "counting": ("Token counts", "What count_tokens returns"),
    "counting-accuracy": ("Accuracy of counts", "Estimates compared with the providers' counts"),
    "control-api": ("Control API", "The paths under /api, for the dashboard and for programs"),
    "sign-in": ("Sign-in", "Passwords, OpenID Connect, passkeys, teams and management keys"),
    "configuration": ("Configuration", "Every setting, in the file or the environment"),
    "editions": ("Editions", "Prices, limits, rewards and refunds as policy, and how to write your own"),
    "payments": ("Payments", "Set up Stripe, PayPal and bank transfers; events to subscribe to"),
    "topups": ("Top-ups", "From the intent to the credit; recorded payments, auto top-up"),
    "refunds": ("Refunds", "Refunds and disputes of payments"),
    "withdrawals": ("Withdrawals", "Paying credit out, to the source of a top-up or to a payee"),
    "rewards": ("Rewards", "Grants, codes, referrals, cashback and streaks"),
    "alerts": ("Alerts", "Mails and webhooks to customers"),
    "statements": ("Statements", "Usage, the ledger and statements, on screen and as files"),
    "operations": ("Operations", "Run, back up, monitor; alarms and the journal"),
    "money": ("Money", "Quotes, holds, charges, and how the ledger is protected"),
    "converse": ("AWS Bedrock", "How requests are translated to Converse"),
    "prices": ("Prices", "Sources and date of the shipped prices"),
    "similar-questions": ("Similar questions", "How the semantic cache compares questions, and its accuracy"),
    "glossary": ("Glossary", "The terms of code, API and docs"),
    "decisions/README": ("Decisions", "Why the program is built as it is"),
}
"""The pages that are listed first, in order, each with its label and description in lists."""


class DocsPage(msgspec.Struct, frozen=True):
    """A page of the docs: its name under `/docs`, its title, its label and description in lists, its Markdown."""

    name: str
    title: str
    label: str
    about: str
    text: str


def read_docs() -> Mapping[str, DocsPage]:
    """Return the pages that come with the program, by name, in the order of lists. There may be none."""
    folder = files("tokenharbor") / "docs"
    found = dict(_read(folder, ""))
    return {name: found[name] for name in sorted(found, key=_place)}


def _place(name: str) -> tuple[bool, int, str]:
    order = list(_ABOUT)
    return "/" in name, order.index(name) if name in _ABOUT else len(order), name


def _read(folder: Traversable, under: str) -> Sequence[tuple[str, DocsPage]]:
    found: list[tuple[str, DocsPage]] = []
    for entry in folder.iterdir() if folder.is_dir() else ():
        name = under + entry.name.removesuffix(".md")
        if entry.name.endswith(".md") and _NAME.fullmatch(name):
            found.append((name, _doc(name, entry.read_text("utf-8"))))
        elif not under and entry.is_dir():
            found += _read(entry, f"{entry.name}/")
    return found


def _doc(name: str, text: str) -> DocsPage:
    title = _TITLE.search(text)
    heading = title[1] if title else name
    label, about = _ABOUT.get(name, (heading, ""))
    return DocsPage(name, heading, label, about, text)


def render_doc(doc: DocsPage) -> str:
    """Return the HTML of a page, with GitHub's anchors at headings, and with links to other pages by served path."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(doc.text)
    for token, following in pairwise(tokens):
        if token.type == "heading_open":
            token.attrSet("id", _anchor(following.content))
        if "right" in str(
            token.attrs.pop("style", "")
        ):  # a table cell; the pages' content policy forbids style attributes
            token.attrSet("class", "n")
        for child in token.children or ():
            _relink(child, doc.name)
    rendered: str = markdown.renderer.render(tokens, markdown.options, {})
    return rendered.replace("<table>", '<div class="table" tabindex="0"><table>').replace("</table>", "</table></div>")


def _anchor(title: str) -> str:
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def _relink(token: Token, name: str) -> None:
    """Rewrite a link to another Markdown file into the path under which that page is served."""
    match = _PAGE.fullmatch(str(token.attrGet("href") or ""))
    if token.type == "link_open" and match is not None:
        folder = name.rpartition("/")[0]
        path = f"{folder}/{match[1]}" if folder else match[1]
        path = re.sub(r"[^/]+/\.\./", "", path).removeprefix("./")
        token.attrSet("href", f"/docs/{path}{match[2] or ''}")


def list_docs(docs: Mapping[str, DocsPage]) -> str:
    """Return the HTML of the list of pages."""
    rows = "\n".join(
        f'<li><a href="/docs/{doc.name}">{html.escape(doc.label)}</a> {html.escape(doc.about)}</li>'
        for doc in docs.values()
        if "/" not in doc.name or doc.name.endswith("/README")
    )
    return f"<h1>Docs</h1>\n<ul>\n{rows}\n</ul>"


def sidebar_links(docs: Mapping[str, DocsPage], current: str) -> str:
    """Return the HTML of the links beside each page."""
    here = ' aria-current="page"'
    return "".join(
        f'<a href="/docs/{doc.name}"{here if doc.name == current else ""}>{html.escape(doc.label)}</a>'
        for doc in docs.values()
        if "/" not in doc.name
    )
