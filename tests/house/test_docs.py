"""The pages say what is so: their links, paths, commands, examples and tables are held against the code."""

import ast
import posixpath
import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
from tests.house.checkout import HOUSE, ROOT, read_checkout

from tokenharbor.app import settings
from tokenharbor.app.cli import cli
from tokenharbor.app.settings import load_settings
from tokenharbor.billing.alarms import Alarm, Alarms
from tokenharbor.catalog import tables
from tokenharbor.catalog.load import load_catalog
from tokenharbor.catalog.price import PER_MILLION, PER_ONE
from tokenharbor.editions.load import load_edition
from tokenharbor.editions.policy import Sections
from tokenharbor.gateway.answers import EXPOSED
from tokenharbor.gateway.metric_families import MetricKind
from tokenharbor.gateway.metrics import Metrics
from tokenharbor.gateway.routes import ROUTES
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.errors import HTTP_ERRORS, Refusal
from tokenharbor.payments.registry import PROCESSOR_SETTINGS
from tokenharbor.routing.health import Health
from tokenharbor.wire import PROVIDER_DIALECTS
from tokenharbor.wire.neutral.chat import Advice, Chat, Feature, ReasoningRequest, Sampling, VendorOptions

PAGES = [source for source in read_checkout() if source.path.endswith(".md")]
PATHS = {source.path for source in read_checkout()}
FOLDERS = {folder.as_posix() for path in PATHS for folder in Path(path).parents}


def page(path: str) -> str:
    return next(source.text for source in PAGES if source.path == path)


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def inline(text: str) -> Iterator[str]:
    for line in re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL).splitlines():
        yield from re.findall(r"`([^`]+)`", line)


def rows(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if line.startswith("|") and not set(line) <= set("|- "):
            yield [cell.strip() for cell in line.strip("|").split("|")]


# ---- what becomes of each field

CAPABLE = frozenset({"reasoning", "json_schema"})
COLUMNS = ("openai_chat", "openai_responses", "anthropic_messages", "gemini", "bedrock_converse")
FEATURES = {
    Feature.LOGPROBS: "`logprobs`, `top_logprobs`",
    Feature.IMAGE: "image, inline data",
    Feature.IMAGE_URL: "image, URL",
    Feature.FILE: "PDF, inline data",
    Feature.FILE_URL: "PDF, URL",
    Feature.AUDIO: "audio",
    Feature.CITATIONS: "citations of the caller's documents",
    Feature.ASSISTANT_PREFIX: "continuing a given beginning",
    Feature.TOOLS: "a function",
    Feature.FORCED_CALL: "choice: auto, none, required, one",
    Feature.CUSTOM_TOOLS: "free-text tool",
    Feature.GRAMMAR: "its grammar",
    Feature.WEB_SEARCH: "web search by the vendor",
    Feature.JSON_SCHEMA: "JSON with a schema",
}
"""The row of the page for each feature."""

ADVICE = {
    Advice.TEMPERATURE: "temperature up to 1",
    Advice.HOT: "temperature above 1",
    Advice.TOP_P: "`top_p`",
    Advice.TOP_K: "`top_k`",
    Advice.PENALTIES: "frequency, presence penalties",
    Advice.SEED: "`seed`",
    Advice.OWN: "`logit_bias`, `min_p`, `top_a`, `repetition_penalty`",
    Advice.REASONING: "effort",
    Advice.VERBOSITY: "verbosity",
    Advice.PARALLEL_CALLS: "several calls at a time",
    Advice.SINGLE_CALL: "one call at a time",
    Advice.STRICT: "`strict`",
    Advice.NAME: "a speaker's `name`",
    Advice.DETAIL: "its `detail`",
    Advice.CACHE: "cache marks: `cache_control`",
    Advice.CACHE_KEY: "cache key",
}


def test_the_page_on_translation_crosses_out_what_a_wire_does_not_carry() -> None:
    assert PROVIDER_DIALECTS.keys() == set(COLUMNS)
    cells = {row[0]: row[1:] for row in rows(page("docs/translation.md"))}
    for feature, meaning in FEATURES.items():
        for wire, cell in zip(COLUMNS, cells[meaning], strict=True):
            assert (feature not in PROVIDER_DIALECTS[wire].supported_features) == ("✗" in cell), (meaning, wire, cell)


def test_the_page_on_translation_says_whose_advice_a_wire_leaves_out() -> None:
    cells = {row[0]: row[1:] for row in rows(page("docs/translation.md"))}
    chat = Chat((), thinking=ReasoningRequest("high"), sampling=Sampling(seed=1))
    order = VendorOptions("anthropic.m", stream=False, max_output=9_000, most_output=9_000, capabilities=CAPABLE)
    calm = msgspec.structs.replace(chat, thinking=None)
    for advice, meaning in ADVICE.items():
        for wire, cell in zip(COLUMNS, cells[meaning], strict=True):
            heeded = PROVIDER_DIALECTS[wire].supported_advice(chat if advice is Advice.REASONING else calm, order)
            assert (advice not in heeded) == cell.startswith("○"), (meaning, wire, cell)
    assert set(Advice) == ADVICE.keys()


def test_every_feature_is_on_the_page() -> None:
    """More than one answer has no cross where no such thing exists; pictures out are asked for by no field yet."""
    assert set(Feature) - FEATURES.keys() == {Feature.CHOICES, Feature.IMAGES_OUT}


# ---- links, paths, commands


def test_links_lead_somewhere() -> None:
    for source, target in ((page, found) for page in PAGES for found in re.findall(r"\]\(([^)\s]+)\)", page.text)):
        if "://" not in target:
            place, _, anchor = target.partition("#")
            found = posixpath.normpath(Path(source.path).parent / place) if place else source.path
            assert found in PATHS, f"{source.path} links to {target}"
            assert not anchor or anchor in _anchors(page(found)), f"{source.path} links to {target}"


def _anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_files_that_a_page_names_are_there() -> None:
    for source, word in ((page, word) for page in PAGES for word in inline(page.text)):
        if re.fullmatch(r"[a-z][\w./-]*(/|\.(py|sql|toml|sh|md))", word) and not word.startswith("postgres/"):
            near = {word.rstrip("/"), f"{HOUSE}{word}".rstrip("/"), f"{Path(source.path).parent.as_posix()}/{word}"}
            known = PATHS | FOLDERS | {"simulator", "tokenharbor.toml"}
            assert near & known, f"{source.path} names {word}"


def test_commands_that_a_page_shows_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for source, line in ((page, line) for page in PAGES for line in _shown(page.text)):
        words = line.partition("#")[0].split()
        if words[:1] == ["make"] and len(words) == 2:
            assert words[1] in targets, f"{source.path} shows {line}"
        if words and re.fullmatch(r"(\.venv/bin/)?tokenharbor", words[0]):
            _follow(words[1:], f"{source.path} shows {line}")


def _shown(text: str) -> list[str]:
    return [*inline(text), *(line for block in blocks(text, "sh") for line in block.splitlines())]


def _follow(words: list[str], message: str) -> None:
    """A command line as far as its options, each of which the command has."""
    command: click.Command = cli
    context = click.Context(cli)
    for word in words:
        if isinstance(command, click.Group) and not word.startswith("-"):
            found = command.get_command(context, word)
            assert found is not None, message
            command = found
        elif word.startswith("--"):
            options = {name for each in command.params for name in each.opts} | {"--help", "--version"}
            assert word in options, message
        elif word in ("<", ">", "|"):
            return


def test_every_word_of_the_glossary_is_there_once_and_its_code_exists() -> None:
    sources = [source for source in read_checkout() if source.is_python and source.path.startswith(HOUSE)]
    classes = {node.name for source in sources for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef)}
    entries = [cells for cells in rows(page("docs/glossary.md")) if cells[0] != "Term"]
    words = [cells[0] for cells in entries]
    assert len(words) == len(set(words))
    for word, _, code in entries:
        names = re.findall(r"`([^`]+)`", code)
        assert names, word
        assert {name for name in names if name.isidentifier()} <= classes, word


# ---- configuration

CONFIGURATION = "docs/configuration.md"
CATALOGUE = "docs/catalogue.md"
EDITIONS = "docs/editions.md"
SECTIONS: dict[str, type[msgspec.Struct]] = {
    "server": settings.ServerSettings,
    "database": settings.DatabaseSettings,
    "redis": settings.RedisSettings,
    "mail": settings.MailSettings,
    "alerts": settings.AlertSettings,
    "console": settings.ConsoleSettings,
    "operator": settings.OperatorSettings,
    "openid": settings.OpenIdSettings,
    **{f"processors_{name}": kind for name, kind in PROCESSOR_SETTINGS.items()},
}
CATALOGUE_TABLES = (
    tables.ProviderTable,
    tables.TimeoutsTable,
    tables.QuotaTable,
    tables.ModelTable,
    tables.EndpointTable,
)


def test_the_configuration_shown_is_read_by_the_program(tmp_path: Path) -> None:
    examples = blocks(page(CONFIGURATION), "toml")
    for number, example in enumerate(["\n".join(examples), *["\n".join(blocks(page(CATALOGUE), "toml"))]]):
        file = tmp_path / f"{number}.toml"
        file.write_text(example)
        read = load_settings(tmp_path, file, {})
        catalog = load_catalog(read.catalog, PROVIDER_DIALECTS, str(file))
        assert catalog.models["acme-large"].endpoints[0].price is not None
    (tmp_path / "mine.toml").write_text("\n".join(blocks(page(EDITIONS), "toml")))
    assert load_edition(str(tmp_path / "mine.toml")).price.markup_of("acme-large") == 250


def test_every_field_of_every_edition_is_documented_with_its_value() -> None:
    for section in re.split(r"^### ", page(EDITIONS).partition("\n## Whose")[0], flags=re.MULTILINE)[1:]:
        name = section[1 : section.index("]")]
        head, *table = [[cell.strip("`") for cell in cells] for cells in rows(section)]
        stated = load_edition("tokenhub").plans if name == "plans.NAME" else {}
        of = {column: stated.get(column) or getattr(load_edition(column), name) for column in head[2:]}
        assert [cells[0] for cells in table] == list(next(iter(of.values())).__struct_fields__), name
        for field, meaning, *values in table:
            assert meaning, field
            for column, value in zip(of, values, strict=True):
                if field != "consent":
                    shown = tomllib.loads(f"value = {value}")
                    assert msgspec.json.encode(shown["value"]) == msgspec.json.encode(getattr(of[column], field)), (
                        field,
                        column,
                    )


def test_every_section_of_editions_is_documented_in_order() -> None:
    documented = re.findall(r"^### \[([a-z_]+)", page(EDITIONS), re.MULTILINE)
    assert documented == list(Sections.__struct_fields__)


def test_the_defaults_shown_are_the_programs() -> None:
    shown = tomllib.loads("\n".join(blocks(page(CONFIGURATION), "toml")[:1]))
    usual = settings.ServerSettings()
    for name in ("host", "port", "workers", "drain_seconds", "max_body", "max_buffered"):
        assert shown["server"][name] == getattr(usual, name), name
    timeouts = tables.TimeoutsTable.__struct_fields__
    defaults = {cells[0].strip("`"): cells[1] for cells in rows(page(CONFIGURATION)) if cells[0].strip("`") in timeouts}
    catalog = load_catalog({}, PROVIDER_DIALECTS)
    plain = next(iter(catalog.providers.values())).timeouts
    assert defaults == {name: str(getattr(plain, name)) for name in timeouts}


def test_every_field_is_documented() -> None:
    text = page(CONFIGURATION)
    for section in SECTIONS.values():
        for name in section.__struct_fields__:
            assert re.search(rf"^{name} = ", text, re.MULTILINE), f"{section.__name__}.{name}"
    catalogue = page(CATALOGUE)
    names = [name for table in CATALOGUE_TABLES for name in table.__struct_fields__] + [*PER_MILLION, *PER_ONE]
    for name in names:
        assert re.search(rf"\b{name}\b", catalogue), name


def test_every_variable_is_documented_and_no_other() -> None:
    documented = {cells[0].strip("`") for cells in rows(page(CONFIGURATION)) if cells[0].startswith("`TOKENHARBOR_")}
    fields = [f"{section}_{name}" for section, kind in SECTIONS.items() for name in kind.__struct_fields__]
    assert documented == {f"{settings.PREFIX}{name}".upper() for name in ("home", "config", "edition", *fields)}


# ---- the API

API = "docs/api.md"


def test_the_paths_documented_are_those_served() -> None:
    table = page(API).partition("\n## ")[0]
    documented = [
        (method, re.sub(r"\?.*", "", path))
        for cells in rows(table)
        for method, path in re.findall(r"`(GET|POST|PATCH|DELETE) ([^`]+)`", cells[0])
    ]
    assert len(documented) == len(set(documented))
    served = {(route.method, route.path.rstrip("/") or "/") for route in ROUTES}
    assert set(documented) == {(method, re.sub(r"\{model\}", "{id}", path)) for method, path in served}


def test_every_error_is_documented_and_no_other() -> None:
    documented = {
        (cells[0], cells[1].strip("`"), cells[2].strip("`")) for cells in rows(page(API)) if cells[0].isdigit()
    }
    ours = {
        (str(shown.status), shown.code, shown.type) for kind, shown in HTTP_ERRORS.items() if issubclass(kind, Refusal)
    }
    assert documented == ours


def test_every_header_is_documented_and_no_other() -> None:
    after = page(API).partition("## Response headers")[2].partition("\n## ")[0]
    documented = {name for cells in rows(after) for name in re.findall(r"`([a-z-]+)`", cells[0])}
    assert documented == set(EXPOSED.split(", "))


def test_every_metric_is_documented_and_no_other() -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    families = Metrics(clock, Health(clock), Alarms()).families()
    ours = {family.name + ("_total" if family.kind is MetricKind.COUNTER else "") for family in families}
    documented = {cells[0].strip("`") for cells in rows(page("docs/operations.md")) if "tokenharbor_" in cells[0]}
    assert documented == ours


def test_every_alarm_is_documented_and_no_other() -> None:
    table = page("docs/operations.md").partition("| Alarm | Meaning |")[2].partition("\n\n")[0]
    documented = [name for cells in rows(table) for name in re.findall(r"`([a-z_]+)`", cells[0])]
    assert sorted(documented) == sorted(Alarm)
