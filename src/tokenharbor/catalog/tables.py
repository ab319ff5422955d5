"""The shapes of the catalogue's TOML: the fields of `[providers.*]` and `[models.*]`, and how a later file overrides
them.

Nothing is required here: a later file may state only its changes. build.py requires the fields of the merged tables.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from tokenharbor.catalog.surfaces import NEEDS
from tokenharbor.kernel.tables import ConfigFaults, TableLocation, did_you_mean, read_fields, read_table

Auth = Literal["bearer", "x-api-key", "x-goog-api-key", "sigv4", "none"]
Tokens = Annotated[int, msgspec.Meta(ge=1, le=100_000_000)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
Text = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]

CAPABILITIES = frozenset(
    {"tools", "json_schema", "vision", "pdf", "audio"}
    | {"reasoning", "adaptive_reasoning", "always_reasoning"}
    | {"no_sampling", "no_prefill", "no_forced_tools"}  # not supported by the model
)

T = TypeVar("T", bound=msgspec.Struct)


class LimitTable(msgspec.Struct, frozen=True):
    """A vendor's limit on an answer: the field that it obeys, and whether reasoning is outside that limit."""

    max_field: str | None = None
    reasoning_apart: bool | None = None


class WireTable(LimitTable, frozen=True, kw_only=True):
    """A company's API in one wire; wires.toml has the wire's defaults."""

    base_url: str | None = None
    auth: Auth | None = None
    headers: Mapping[str, str] | None = None
    least_output: Tokens | None = None
    service: str | None = None


class TimeoutsTable(msgspec.Struct, frozen=True):
    """Timeouts in seconds."""

    connect: Seconds | None = None
    first_event: Seconds | None = None
    between_events: Seconds | None = None
    total: Seconds | None = None


class QuotaTable(msgspec.Struct, frozen=True):
    """A provider's quota: requests a minute, tokens a minute, requests open at once. 0: unlimited."""

    rpm: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None
    tpm: Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None = None
    concurrency: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None


class ProviderTable(WireTable, frozen=True, kw_only=True):
    """`[providers.NAME]`. `wires` are the company's APIs in further wires, each a WireTable."""

    wire: str | None = None
    credential: str | None = None
    region: str | None = None
    retention: str | None = None
    timeouts: TimeoutsTable | None = None
    quota: QuotaTable | None = None
    label: Text | None = None
    builtin: bool | None = None
    wires: Mapping[str, WireTable] | None = None


class EndpointTable(LimitTable, frozen=True, kw_only=True):
    """`[[models.NAME.endpoints]]`. `wires` restricts the company's wires to those that sell the model. A limit here
    overrides the provider's. `free` replaces a price.
    """

    provider: str
    upstream_model: Text | None = None
    region: str | None = None
    price: Mapping[str, Any] | None = None
    free: bool | None = None
    wires: Sequence[str] | None = None


class ModelTable(msgspec.Struct, frozen=True):
    """`[models.NAME]`."""

    label: Text | None = None
    vendor: str | None = None
    released: date | None = None
    retires: date | None = None
    context: Tokens | None = None
    max_output: Tokens | None = None
    max_thinking: Tokens | None = None
    capabilities: Sequence[str] | None = None
    aliases: Sequence[str] | None = None
    bytes_per_token: Annotated[int, msgspec.Meta(ge=1, le=16)] | None = None
    image_tokens: Tokens | None = None
    surfaces: Sequence[str] | None = None
    bytes_per_second: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    max_seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] | None = None
    tokenizer: Text | None = None
    endpoints: Mapping[str, EndpointTable] | None = None  # by provider; in the file, an array


class MergedTables(msgspec.Struct, frozen=True):
    """The merged files; `places` has the last place of each name. `moved` are companies for which a later file gives
    another address or wire: they have only the wires that it states.
    """

    providers: Mapping[str, ProviderTable]
    models: Mapping[str, ModelTable]
    places: Mapping[str, str]
    moved: frozenset[str] = frozenset()


def read_layers(layers: Sequence[tuple[str, Mapping[str, Any]]], faults: ConfigFaults) -> MergedTables:
    """Merge the tables of files (name and content): a later file extends and overrides earlier ones, field by field,
    and an endpoint by its provider. Tables with faults are read as far as possible.
    """
    providers: dict[str, ProviderTable] = {}
    models: dict[str, ModelTable] = {}
    places: dict[str, str] = {}
    moved: set[str] = set()
    for file, content in layers:
        for name, table, place in _named(file, content, "providers", faults):
            provider = _read_provider(table, TableLocation(place, faults))
            if name in providers and (provider.base_url is not None or provider.wire is not None):
                # A request in another dialect must not go to the old address.
                providers[name] = msgspec.structs.replace(providers[name], wires=None)
                moved.add(name)
            providers[name] = _override(providers[name], provider) if name in providers else provider
            places[f"providers.{name}"] = place
        for name, table, place in _named(file, content, "models", faults):
            model = _read_model(table, TableLocation(place, faults))
            models[name] = _override(models[name], model) if name in models else model
            places[f"models.{name}"] = place
    return MergedTables(providers, models, places, frozenset(moved))


def read_wires(content: Mapping[str, Any], file: str, faults: ConfigFaults) -> Mapping[str, WireTable]:
    """Return each wire's defaults."""
    return {name: read_table(WireTable, table, place) for name, table, place in _named(file, content, "wires", faults)}


def _named(file: str, content: Mapping[str, Any], kind: str, faults: ConfigFaults) -> Iterator[tuple[str, object, str]]:
    tables = content.get(kind, {})
    if not isinstance(tables, Mapping):
        faults.add(f"{file}: {kind} must be tables, each [{kind}.NAME]")
        faults.misread(kind, "")
        return
    for name, table in tables.items():
        yield name, table, f'{file}: [{kind}."{name}"]'


def _read_provider(table: object, place: TableLocation) -> ProviderTable:
    if isinstance(table, Mapping):
        table = dict(table)
        if isinstance(wires := table.get("wires"), Mapping):
            kept = {name: read_fields(WireTable, wire, place.within(f"wires.{name}")) for name, wire in wires.items()}
            table["wires"] = {name: msgspec.structs.asdict(wire or WireTable()) for name, wire in kept.items()}
        if isinstance(stated := table.get("timeouts"), Mapping):
            timeouts = read_fields(TimeoutsTable, stated, place.within("timeouts"))
            table["timeouts"] = msgspec.structs.asdict(timeouts or TimeoutsTable())
        if isinstance(stated := table.get("quota"), Mapping):
            quota = read_fields(QuotaTable, stated, place.within("quota"))
            table["quota"] = msgspec.structs.asdict(quota or QuotaTable())
    return read_fields(ProviderTable, table, place) or ProviderTable()


def _read_model(table: object, place: TableLocation) -> ModelTable:
    if isinstance(table, Mapping) and "endpoints" in table:
        table = {**table, "endpoints": _by_provider(table["endpoints"], place)}
    model = read_fields(ModelTable, table, place) or ModelTable()
    known = {"capability": (model.capabilities, CAPABILITIES), "surface": (model.surfaces, NEEDS)}
    for what, (named, those) in known.items():
        for each in named or ():
            if each not in those:
                place.fault(f"unknown {what} {each[:40]!r}{did_you_mean(each, those)}")
    if model.surfaces is not None:
        model = msgspec.structs.replace(model, surfaces=[each for each in model.surfaces if each in NEEDS])
    return model


def _by_provider(rows: object, place: TableLocation) -> Mapping[str, object]:
    if not isinstance(rows, list):
        place.fault("endpoints must be an array, each [[models.NAME.endpoints]]")
        return {}
    found: dict[str, object] = {}
    for count, row in enumerate(rows):
        here = place.within(f"endpoints[{count}]")
        endpoint = read_fields(EndpointTable, row, here)
        if endpoint is None:
            continue
        if endpoint.provider in found:
            here.fault(f"provider {endpoint.provider!r} already has an endpoint")
        if endpoint.free and endpoint.price is not None:
            here.fault("free = true replaces a price: state only one of them")
        found[endpoint.provider] = msgspec.structs.asdict(endpoint)
    return found


def _override(base: T, over: T) -> T:
    """Return `base` with the fields of `over`; nested tables likewise, except a price, which is replaced as a whole."""
    changes: dict[str, Any] = {}
    if isinstance(over, EndpointTable) and (over.free or over.price is not None):
        changes = {"price": None, "free": None}  # a later price replaces an earlier one
    for field in over.__struct_fields__:
        new, old = getattr(over, field), getattr(base, field)
        if new is not None:
            changes[field] = _merged(old, new)
    return msgspec.structs.replace(base, **changes)


def _merged(old: Any, new: Any) -> Any:
    if isinstance(new, msgspec.Struct) and isinstance(old, msgspec.Struct):
        return _override(old, new)
    if isinstance(new, Mapping) and isinstance(old, Mapping) and _of_structs(new) and _of_structs(old):
        return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}
    return new


def _of_structs(tables: Mapping[str, Any]) -> bool:
    return all(isinstance(value, msgspec.Struct) for value in tables.values())
