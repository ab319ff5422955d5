"""Make src/tokenharbor/catalog/models/*.toml from published prices, and docs/prices.md, which compares two sources.

make catalog                             the catalogue, from genai-prices and catalog_facts.toml
make catalog ARGS="--second PRICES.json" also docs/prices.md; PRICES.json is
                                         litellm/model_prices_and_context_window_backup.json
                                         out of LiteLLM's wheel: `pip download --no-deps litellm`, then unzip
"""

import argparse
import json
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genai_prices.data import providers
from genai_prices.types import ConditionalPrice, ModelInfo, ModelPrice, StartDateConstraint, TimeOfDateConstraint

ROOT = Path(__file__).resolve().parent.parent
FACTS = ROOT / "scripts" / "catalog_facts.toml"
MODELS = ROOT / "src" / "tokenharbor" / "catalog" / "models"
REPORT = ROOT / "docs" / "prices.md"

FIRST_FIELDS = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "audio_in",
    "output_audio_mtok": "audio_out",
    "input_image_mtok": "image_in",
    "web_searches_kcount": "search",
    "input_mchars": "character",
    "audio_hours": "second",
}
SCALES = {"search": Decimal(1000), "second": Decimal(3600)}  # our units per priced unit of the first source
NOT_SOLD = {"storage_searches_kcount", "cache_audio_read_mtok", "cache_image_read_mtok", "input_audio_hours"}
SECOND_FIELDS = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "input_cost_per_audio_token": "audio_in",
    "output_cost_per_audio_token": "audio_out",
    "output_cost_per_reasoning_token": "reasoning",
    "input_cost_per_image_token": "image_in",
    "input_cost_per_character": "character",
}
PLAIN_CLASS = {"audio_in": "input", "audio_out": "output", "reasoning": "output"}

Table = dict[str, Any]  # a price as its TOML table
Flat = dict[tuple[str, str], Decimal]  # (field, condition) to USD per 1M tokens, or per unit


@dataclass(frozen=True)
class Sold:
    """An endpoint for the catalogue, and the source of its price."""

    model: str
    fact: Table
    price: Table
    source: str

    @property
    def name(self) -> str:
        return f"{self.fact['provider']}/{self.model}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--second", type=Path)
    second = parser.parse_args().second
    facts = read_facts()
    sold = list(price_all(facts))
    for path, text in make_files(facts, sold).items():
        path.write_text(text, "utf-8")
    if second is None:
        return 0
    report, undecided = make_report(facts, sold, json.loads(second.read_text("utf-8"), parse_float=Decimal))
    REPORT.write_text(report, "utf-8")
    for name in undecided:
        print(f"the sources differ on {name}, and catalog_facts.toml gives no reason for ours", file=sys.stderr)
    return 1 if undecided else 0


def read_facts() -> Table:
    return tomllib.loads(FACTS.read_text("utf-8"))


# ---- the first source


def price_all(facts: Table) -> Iterator[Sold]:
    for model, table in facts["models"].items():
        for fact in table["endpoints"]:
            if "from" in fact:
                yield Sold(model, fact, first_price(fact, facts["as_of"]), f"genai-prices, {fact['from']}")
            else:
                yield Sold(model, fact, fact["price"], fact["source"])


def first_price(fact: Table, as_of: date) -> Table:
    """Return the first source's price in our form: the price of the day, then by hours, then announced changes."""
    info = first_model(fact["from"])
    rows = [ConditionalPrice(prices=info.prices)] if isinstance(info.prices, ModelPrice) else info.prices
    now = datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC)
    price: Table = {}
    hours: list[Table] = []
    later: list[Table] = []
    for row in rows:
        when, table = row.constraint, units(row.prices, flat=fact.get("flat", False))
        if when is None or (isinstance(when, StartDateConstraint) and when.active(now)):
            price = table
        elif isinstance(when, TimeOfDateConstraint):
            window = {"from": f"{when.start_time:%H:%M}", "to": f"{when.end_time:%H:%M}"}
            hours.append(window | ({"days": fact["days"]} if "days" in fact else {}) | table)
        else:
            later.append({"from": when.start_date} | only_changes(table, price))
    if hours and later:
        raise SystemExit(f"{fact['from']}: hours together with an announced price are not supported")
    return price | ({"hours": hours} if hours else {}) | ({"later": later} if later else {})


def first_model(name: str) -> ModelInfo:
    provider, _, model = name.partition("/")
    for info in next(each for each in providers if each.id == provider).models:
        if info.id == model:
            return info
    raise SystemExit(f"{name} is not in genai-prices")


def units(prices: ModelPrice, *, flat: bool) -> Table:
    table: Table = {}
    steps: dict[int, Table] = {}
    for key, value in vars(prices).items():
        if value is None or key in NOT_SOLD:
            continue
        field = FIRST_FIELDS[key]
        scale = SCALES.get(field, Decimal(1))
        if isinstance(value, Decimal):
            table[field] = shown(value / scale)
            continue
        table[field] = shown(value.base / scale)
        for tier in () if flat else value.tiers:
            steps.setdefault(tier.start, {"above_input": tier.start})[field] = shown(tier.price / scale)
    return in_order(table) | ({"steps": [in_order(steps[start]) for start in sorted(steps)]} if steps else {})


def in_order(table: Table) -> Table:
    order = ["above_input", *FIRST_FIELDS.values()]
    return {field: table[field] for field in order if field in table}


def only_changes(table: Table, base: Table) -> Table:
    return {field: value for field, value in table.items() if base.get(field) != value}


def shown(value: Decimal) -> str:
    return format(value.normalize(), "f")


# ---- the files


def make_files(facts: Table, sold: list[Sold]) -> dict[Path, str]:
    """Yield each vendor's file and its text."""
    found = f"genai-prices {version('genai-prices')} and scripts/catalog_facts.toml, as of {facts['as_of']}"
    texts: dict[Path, list[str]] = {}
    for model, table in facts["models"].items():
        path = MODELS / f"{table['vendor']}.toml"
        head = [f"# Generated by scripts/make_catalog.py from {found}. Do not edit; change the script's inputs."]
        lines = texts.setdefault(path, head)
        lines += ["", f"[models.{key(model)}]"]
        lines += [f"{field} = {toml(value)}" for field, value in table.items() if field != "endpoints"]
        for each in sold:
            if each.model == model:
                lines += endpoint_lines(each)
    return {path: "\n".join(lines) + "\n" for path, lines in texts.items()}


def endpoint_lines(sold: Sold) -> Iterator[str]:
    yield ""
    yield f"[[models.{key(sold.model)}.endpoints]]  # {sold.source}"
    for field in ("provider", "upstream_model", "region", "wires", "max_field", "reasoning_apart"):
        if field in sold.fact:
            yield f"{field} = {toml(sold.fact[field])}"
    yield ""
    yield f"[models.{key(sold.model)}.endpoints.price]"
    for field, value in sold.price.items():
        if isinstance(value, list):
            yield f"{field} = ["
            yield from (f"    {toml(row)}," for row in value)
            yield "]"
        else:
            yield f"{field} = {toml(value)}"


def key(name: str) -> str:
    return name if name.replace("-", "").replace("_", "").isalnum() else f'"{name}"'


def toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {toml(each)}" for name, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, date)) else f'"{value}"'


# ---- the second source, and the report


def make_report(facts: Table, sold: list[Sold], second: Mapping[str, Table]) -> tuple[str, list[str]]:
    """Return the report, and the endpoints with undecided differences."""
    differing, single, unknown, undecided = [], [], [], []
    notes = facts.get("notes", {})
    for each in sold:
        if each.fact["second"] not in second:
            unknown.append(f"| `{each.name}` | {each.source} |")
            continue
        ours, theirs = flat(each.price), second_price(second[each.fact["second"]])
        for place in sorted(ours.keys() | theirs.keys()):
            mine, other = ours.get(place), theirs.get(place)
            row = f"| `{each.name}` | {' '.join(place).strip()} | {dollars(mine)} | {dollars(other)} |"
            if mine is None or other is None:
                single.append(row)
            elif mine != other:
                differing.append(f"{row} {notes.get(each.name, '')} |")
                if each.name not in notes and each.name not in undecided:
                    undecided.append(each.name)
    return report_text(facts, (differing, single, unknown), len(sold)), undecided


def report_text(facts: Table, rows: tuple[list[str], list[str], list[str]], count: int) -> str:
    differing, single, unknown = rows
    return "\n".join(
        [
            "# Sources of the shipped prices",
            "",
            "Where the catalogue's prices come from, and where a second source differs.",
            "",
            f"The prices are those of genai-prices {version('genai-prices')} and, for vendors that it lacks (Alibaba),",
            f"of the vendor's own page, as of {facts['as_of']}. The second source is the price list in LiteLLM's",
            "wheel; it is used for comparison only. Prices are USD per 1M tokens (searches: USD per search). Hours,",
            f"announced prices and steps are compared if both sources have them. {count} endpoints were compared.",
            "",
            "## Prices that differ",
            "",
            "| endpoint | price | ours | second source | reason for ours |",
            "|---|---|---|---|---|",
            *(differing or ["| none | | | | |"]),
            "",
            "## Prices in one source only",
            "",
            "A price that only the second source has is not used.",
            "",
            "| endpoint | price | ours | second source |",
            "|---|---|---|---|",
            *(single or ["| none | | | |"]),
            "",
            "## Endpoints missing in the second source",
            "",
            "| endpoint | source of ours |",
            "|---|---|",
            *(unknown or ["| none | |"]),
            "",
            "## Prices that are left out",
            "",
            "- Cached audio, which costs more than cached text at Google: no wire reports it separately, so it is",
            "  billed as a cache read.",
            "- Hourly cache storage, file searches and batches: not supported.",
            "- Service tiers other than the standard one: requests for them are a 400.",
            "",
        ]
    )


def flat(price: Table, condition: str = "") -> Flat:
    found: Flat = {}
    for field, value in price.items():
        if isinstance(value, list):
            for row in value:
                inner = {name: each for name, each in row.items() if name in FIRST_FIELDS.values()}
                found |= flat(inner, condition_of(row))
        elif field != "above_input":
            found[field, condition] = Decimal(value)
    return found


def condition_of(row: Table) -> str:
    if "above_input" in row:
        return f"above {row['above_input']}"
    return f"{row['from']} to {row['to']}" if "to" in row else f"from {row['from']}"


def second_price(entry: Table) -> Flat:
    """Return the second source's price, which is per token, in our form."""
    found: Flat = {}
    for row in entry.get("tiered_pricing") or [entry]:
        start = int(row.get("range", [0])[0])
        found |= {
            (field, f"above {start}" if start else ""): Decimal(row[name]) * 1_000_000
            for name, field in SECOND_FIELDS.items()
            if row.get(name) is not None
        }
    for size in (100, 128, 200, 256, 272):
        for name, field in SECOND_FIELDS.items():
            cost = entry.get(f"{name}_above_{size}k_tokens")
            if cost is not None:
                found[field, f"above {size * 1000}"] = Decimal(cost) * 1_000_000
    search = (entry.get("search_context_cost_per_query") or {}).get("search_context_size_medium")
    if search is not None:
        found["search", ""] = Decimal(search)
    if entry.get("mode") == "audio_transcription" and entry.get("input_cost_per_second"):
        found["second", ""] = Decimal(entry["input_cost_per_second"])
    return {place: cost for place, cost in found.items() if not plain(place, cost, found)}


def plain(place: tuple[str, str], cost: Decimal, found: Flat) -> bool:
    """Return whether a price is redundant: equal to its plain class, or a free cache write."""
    field, condition = place
    if field == "cache_write" and cost == 0:
        return True
    return field in PLAIN_CLASS and found.get((PLAIN_CLASS[field], condition)) == cost


def dollars(value: Decimal | None) -> str:
    return "" if value is None else shown(value)


if __name__ == "__main__":
    sys.exit(main())
