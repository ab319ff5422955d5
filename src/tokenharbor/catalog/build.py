"""Construction of the checked, frozen catalogue from the files' tables."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from tokenharbor.catalog.price import free_price, read_variants
from tokenharbor.catalog.retention import retention_days
from tokenharbor.catalog.surfaces import CHAT, CONVENTION, FORMS
from tokenharbor.catalog.tables import EndpointTable, LimitTable, MergedTables, ModelTable, ProviderTable, WireTable
from tokenharbor.catalog.types import (
    Catalog,
    Endpoint,
    Model,
    OutputLimit,
    PriceVariant,
    Provider,
    ProviderQuota,
    Timeouts,
)
from tokenharbor.kernel.tables import ConfigFaults, TableLocation, did_you_mean

_PROVIDER_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+/-]{0,127}")
_UPSTREAM_NAME = re.compile(r"[!-~]{1,200}")
_WORD = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_CREDENTIAL = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:[^\0\r\n]+|store:.+")
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_NO_FIELD = "none"
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[ -~]*")

V = TypeVar("V")


def build_catalog(
    stated: MergedTables, usual: Mapping[str, WireTable], wires: Collection[str], faults: ConfigFaults
) -> Catalog:
    """Build the catalogue. `usual` has each wire's defaults; `wires` are the supported wires. If `faults` gets any
    fault, do not use the result.
    """
    providers = {
        name: _providers_by_wire(name, table, _TableChecks(stated.places[f"providers.{name}"], faults), usual, wires)
        for name, table in stated.providers.items()
    }
    for name in stated.moved:
        providers[name] = tuple(replace(provider, moved=True) for provider in providers[name])
    models = {
        name: _model(name, table, providers, stated.places[f"models.{name}"], faults)
        for name, table in stated.models.items()
    }
    _refuse_clashes(models, stated.places, faults)
    return Catalog(
        models=MappingProxyType(models),
        providers=MappingProxyType({name: first for name, (first, *_) in providers.items()}),
        other_wires=tuple(provider for _, *rest in providers.values() for provider in rest),
    )


def _providers_by_wire(
    name: str, table: ProviderTable, check: "_TableChecks", usual: Mapping[str, WireTable], wires: Collection[str]
) -> tuple[Provider, ...]:
    """Return a company in each of its wires, its main wire first."""
    check.matches(_PROVIDER_NAME, name, "the name of a provider must be lower-case letters, digits, '.', '_' and '-'")
    first = check.needed(table.wire, "wire") or ""
    further = table.wires or {}
    if first in further:
        check.fault(f"wire {first!r} is listed more than once")
    stated = [(first, table, check), *((wire, each, check.within(f"wires.{wire}")) for wire, each in further.items())]
    for wire, _, here in stated:
        if wire and wire not in wires:
            here.fault(f"unknown wire {wire[:40]!r}{did_you_mean(wire, wires)}")
    return tuple(
        _provider(name, table, _ProviderInWire(wire, each, usual.get(wire, WireTable())), check, here)
        for wire, each, here in stated
    )


class _ProviderInWire(msgspec.Struct, frozen=True):
    """One wire of a company: the file's values, and the wire's defaults for the rest."""

    wire: str
    stated: WireTable
    usual: WireTable


def _provider(
    name: str, table: ProviderTable, in_wire: _ProviderInWire, check: "_TableChecks", here: "_TableChecks"
) -> Provider:
    """Build a provider. `check` reports faults in the company's table, `here` those in the wire's."""
    auth = in_wire.stated.auth or in_wire.usual.auth or "bearer"
    headers = in_wire.stated.headers if in_wire.stated.headers is not None else in_wire.usual.headers or {}
    return Provider(
        name=name,
        wire=in_wire.wire,
        base_url=here.base_url(in_wire.stated.base_url),
        credential=None if auth == "none" else check.credential(table.credential),
        auth=auth,
        headers=tuple(here.header(*header) for header in headers.items()),
        region=check.optional(_WORD, table.region, "region must be a word such as 'us'"),
        retention=check.retention(table.retention),
        timeouts=_timeouts(table),
        quota=ProviderQuota() if table.quota is None else ProviderQuota(**msgspec.structs.asdict(table.quota)),
        label=table.label or name,
        limit=_usual_limit(in_wire, here),
        least_output=in_wire.stated.least_output or in_wire.usual.least_output or 1,
        service=here.optional(
            _WORD,
            in_wire.stated.service or in_wire.usual.service,
            "service must be the service name used in signatures",
        ),
        builtin=bool(table.builtin),
    )


def _usual_limit(in_wire: _ProviderInWire, check: "_TableChecks") -> OutputLimit:
    """Return the provider's limit. A wire with one field for the maximum allows no other, but a
    vendor may ignore it.
    """
    field, usual = check.max_field(in_wire.stated), in_wire.usual.max_field
    if field and usual is not None and field != usual:
        check.fault(f"max_field must be {usual!r} for this wire, or {_NO_FIELD!r} if the provider ignores it")
    return OutputLimit(usual if field is None else field, bool(in_wire.stated.reasoning_apart))


def _limit(stated: EndpointTable, provider: Provider, check: "_TableChecks") -> OutputLimit:
    """Return the provider's limit with the endpoint's changes. Only one wire has several fields for the maximum."""
    field, base = check.max_field(stated), provider.limit
    if field is None or (field and provider.wire != CONVENTION):
        field = base.max_field
    return OutputLimit(field, base.reasoning_apart if stated.reasoning_apart is None else stated.reasoning_apart)


def _model(
    name: str, table: ModelTable, providers: Mapping[str, tuple[Provider, ...]], place: str, faults: ConfigFaults
) -> Model:
    check = _TableChecks(place, faults)
    check.matches(_MODEL_NAME, name, "the name of a model must be letters, digits and any of . _ : @ + / -")
    aliases = tuple(table.aliases or ())
    for alias in aliases:
        check.matches(_MODEL_NAME, alias, f"alias {alias[:40]!r} is not a valid model name")
    surfaces = tuple(sorted(set(table.surfaces or (CHAT,))))
    context, max_output = _sizes(table, surfaces, check)
    if CHAT in surfaces and max_output > context > 0:
        check.fault(f"max_output {max_output} must not exceed context {context}")
    released = table.released
    usual = Model(name, "", context, max_output, frozenset(), ())
    endpoints = tuple(_endpoints(name, table, providers, check))
    if len({endpoint.free for endpoint in endpoints if endpoint.price is not None}) > 1:
        own = f"{name}:free"
        check.fault(f"it is free at some providers only: sell it there as a separate model, such as {own!r}")
    return Model(
        name=name,
        vendor=check.optional(_PROVIDER_NAME, table.vendor, "vendor must be a word such as 'acme'") or "",
        context=context,
        max_output=max_output,
        capabilities=frozenset(table.capabilities or ()),
        endpoints=endpoints,
        aliases=aliases,
        max_thinking=table.max_thinking,
        label=table.label or name,
        created=int(_midnight(released).timestamp()) if released else 0,
        retires=_midnight(table.retires) if table.retires else None,
        bytes_per_token=table.bytes_per_token,
        image_tokens=table.image_tokens or usual.image_tokens,
        surfaces=surfaces,
        bytes_per_second=table.bytes_per_second or usual.bytes_per_second,
        max_seconds=table.max_seconds or usual.max_seconds,
        tokenizer=check.optional(_WORD, table.tokenizer, "tokenizer must be a word such as 'o200k'") or usual.tokenizer,
    )


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _sizes(table: ModelTable, surfaces: tuple[str, ...], check: "_TableChecks") -> tuple[int, int]:
    """Return context and maximum output; 0 if a model that does not chat has none."""
    if CHAT in surfaces and len(surfaces) > 1:
        check.fault("a model must not have both chat and other surfaces: configure two models")
    if CHAT not in surfaces:
        return table.context or 0, table.max_output or 0
    return check.needed(table.context, "context") or 0, check.needed(table.max_output, "max_output") or 0


def _endpoints(
    model: str, table: ModelTable, providers: Mapping[str, tuple[Provider, ...]], check: "_TableChecks"
) -> Iterator[Endpoint]:
    """Yield an endpoint for each wire of each company that sells the model."""
    for name, stated in (table.endpoints or {}).items():
        here = check.within(f"endpoint at {name[:64]!r}")
        upstream_model = stated.upstream_model or model
        here.matches(_UPSTREAM_NAME, upstream_model, "upstream_model must be printable ASCII without spaces")
        region = here.optional(_WORD, stated.region, "region must be a word such as 'us'")
        surfaces = tuple(sorted(set(table.surfaces or (CHAT,))))
        variants = _variants(stated, surfaces, here)
        price = variants[0].price if variants else None
        if name not in providers:
            if not here.faults.was_misread("providers", ""):
                here.fault(f"unknown provider{did_you_mean(name, providers)}")
            continue
        selling = providers[name] if stated.wires is None else _selling(stated.wires, providers[name], here)
        for provider in _speaking(surfaces, selling, here):
            limit = _limit(stated, provider, here)
            yield Endpoint(model, provider, upstream_model, price, region, variants, limit, bool(stated.free))


def _variants(stated: EndpointTable, surfaces: tuple[str, ...], check: "_TableChecks") -> tuple[PriceVariant, ...]:
    """Return the endpoint's prices; none if it states none."""
    if stated.free:
        return (PriceVariant(None, None, free_price(surfaces)),)
    return () if stated.price is None else read_variants(stated.price, check.within("price"), surfaces)


def _speaking(surfaces: tuple[str, ...], selling: tuple[Provider, ...], check: "_TableChecks") -> tuple[Provider, ...]:
    """Return the providers that can serve the surfaces: a model that does not chat needs OpenAI's wire."""
    if CHAT in surfaces:
        return selling
    speaking = tuple(provider for provider in selling if provider.wire == CONVENTION)
    if not speaking and not any(provider.moved or not provider.wire for provider in selling):
        check.fault(f"surface {surfaces[0]} needs a provider with wire {CONVENTION}")
    unsigned = tuple(provider for provider in speaking if provider.auth != "sigv4" or FORMS.isdisjoint(surfaces))
    if speaking and not unsigned and not any(provider.moved for provider in speaking):
        form = min(FORMS.intersection(surfaces))
        check.fault(
            f"surface {form} does not support auth sigv4, which signs the whole body before it is sent; "
            f"use another auth, or remove {form} from the surfaces of the model"
        )
    return unsigned


def _selling(wires: Sequence[str], providers: tuple[Provider, ...], check: "_TableChecks") -> tuple[Provider, ...]:
    """Return the company in these wires; a moved company may lack some of them."""
    spoken = {provider.wire: provider for provider in providers}
    for wire in wires:
        if wire not in spoken and not providers[0].moved:
            check.fault(f"its provider does not support wire {wire[:40]!r}{did_you_mean(wire, spoken)}")
    return tuple(spoken[wire] for wire in wires if wire in spoken)


def _refuse_clashes(models: Mapping[str, Model], places: Mapping[str, str], faults: ConfigFaults) -> None:
    """Refuse a name that two models share: one would be sold for the other."""
    bearer = {name: name for name in models}
    for model in models.values():
        for alias in model.aliases:
            other = bearer.setdefault(alias, model.name)
            if other != model.name:
                faults.add(
                    f"{places[f'models.{model.name}']}: alias {alias!r} is also a name of {other!r}; "
                    f"set aliases without it for one of them"
                )


def _timeouts(table: ProviderTable) -> Timeouts:
    stated = {} if table.timeouts is None else msgspec.structs.asdict(table.timeouts)
    return Timeouts(**{name: seconds for name, seconds in stated.items() if seconds is not None})


class _TableChecks(TableLocation):
    """Checks of one table; each returns the value, faulty or not."""

    def needed(self, value: V | None, field: str) -> V | None:
        if value is None and not self.faults.was_misread(self.name, field):
            self.fault(f"missing required field {field}")
        return value

    def matches(self, pattern: re.Pattern[str], text: str, message: str) -> None:
        if pattern.fullmatch(text) is None:
            self.fault(message)

    def optional(self, pattern: re.Pattern[str], text: str | None, message: str) -> str | None:
        if text is not None:
            self.matches(pattern, text, message)
        return text

    def max_field(self, stated: LimitTable) -> str | None:
        """Return the field; empty if the vendor ignores every one."""
        field = self.optional(_FIELD, stated.max_field, f"max_field must be the name of a field, or {_NO_FIELD!r}")
        return "" if field == _NO_FIELD else field

    def base_url(self, stated: str | None) -> str:
        text = self.needed(stated, "base_url")
        if text is None:
            return ""
        try:
            url = urlsplit(text)
            fine = url.scheme in {"http", "https"} and url.hostname and url.port != 0 and text.isascii()
            fine = fine and not url.query and not url.fragment and url.username is None
        except ValueError:
            fine = False
        if not fine or any(c <= " " for c in text):
            self.fault("base_url must be http:// or https://, a host and a path only")
        return text.rstrip("/")

    def credential(self, text: str | None) -> str | None:
        """Check a reference; the message never has the value, which may be the secret itself."""
        if text is not None and _CREDENTIAL.fullmatch(text) is None:
            self.fault("credential must be a reference to the key: env:NAME, file:PATH or store:NAME")
        return text

    def header(self, name: str, value: str) -> tuple[str, str]:
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            self.fault(f"header {name[:40]!r} contains characters that are not allowed in a header")
        return name.lower(), value

    def retention(self, text: str | None) -> str | None:
        if text is not None:
            try:
                retention_days(text)
            except ValueError as error:
                self.fault(str(error))
        return text
