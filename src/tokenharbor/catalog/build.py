"""From what the files state to the checked, frozen catalogue."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from tokenharbor.catalog.price import read_variants
from tokenharbor.catalog.retention import retention_days
from tokenharbor.catalog.surfaces import CHAT, CONVENTION, FORMS
from tokenharbor.catalog.tables import ModelTable, ProviderTable, Stated, WireTable
from tokenharbor.catalog.types import Catalog, Endpoint, Model, Provider, Timeouts
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.tables import did_you_mean

_PROVIDER_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+/-]{0,127}")
_UPSTREAM_NAME = re.compile(r"[!-~]{1,200}")
_WORD = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_CREDENTIAL = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:[^\0\r\n]+|store:.+")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[ -~]*")

V = TypeVar("V")


def build_catalog(stated: Stated, usual: Mapping[str, WireTable], wires: Collection[str]) -> Catalog:
    """`usual` is each wire's usual way; `wires` are those that are spoken here. Raises Misconfigured with one line
    that says what is wrong and where.
    """
    faces = {
        name: _faces(name, table, usual, wires, stated.places[f"providers.{name}"])
        for name, table in stated.providers.items()
    }
    for name in stated.moved:
        faces[name] = tuple(replace(face, moved=True) for face in faces[name])
    models = {
        name: _model(name, table, faces, stated.places[f"models.{name}"]) for name, table in stated.models.items()
    }
    _refuse_clashes(models, stated.places)
    return Catalog(
        models=MappingProxyType(models),
        providers=MappingProxyType({name: first for name, (first, *_) in faces.items()}),
        also=tuple(face for _, *rest in faces.values() for face in rest),
    )


def _faces(
    name: str, table: ProviderTable, usual: Mapping[str, WireTable], wires: Collection[str], place: str
) -> tuple[Provider, ...]:
    """A company in each of its wires, the one that it names first in front."""
    _check(_PROVIDER_NAME, name, f"{place}: a provider's name is lower-case letters, digits, '.', '_' and '-'")
    first = _needed(table.wire, "wire", place)
    further = table.wires or {}
    if first in further:
        raise Misconfigured(f"{place}: wire {first!r} is stated twice")
    return tuple(
        _provider(name, table, _Face(wire, face, usual.get(wire, WireTable()), here), wires)
        for wire, face, here in (
            (first, table, place),
            *((wire, face, f"{place} wires.{wire}") for wire, face in further.items()),
        )
    )


class _Face(msgspec.Struct, frozen=True):
    """One wire of a company: what the file states, and the wire's usual way for what it does not."""

    wire: str
    stated: WireTable
    usual: WireTable
    place: str


def _provider(name: str, table: ProviderTable, face: _Face, wires: Collection[str]) -> Provider:
    if face.wire not in wires:
        raise Misconfigured(f"{face.place}: unknown wire {face.wire[:40]!r}{did_you_mean(face.wire, wires)}")
    auth = face.stated.auth or face.usual.auth or "bearer"
    headers = face.stated.headers if face.stated.headers is not None else face.usual.headers or {}
    return Provider(
        name=name,
        wire=face.wire,
        base_url=_base_url(_needed(face.stated.base_url, "base_url", face.place), face.place),
        credential=None if auth == "none" else _credential(table.credential, face.place),
        auth=auth,
        headers=tuple(_header(*header, face.place) for header in headers.items()),
        region=_optional(_WORD, table.region, f"{face.place}: region is a word such as 'us'"),
        retention=_retention(table.retention, face.place),
        timeouts=_timeouts(table),
        label=table.label or name,
        max_field=_optional(_WORD, face.stated.max_field, f"{face.place}: max_field is a field's name"),
        service=_optional(
            _WORD, face.stated.service or face.usual.service, f"{face.place}: service is the API's name in signatures"
        ),
        builtin=bool(table.builtin),
    )


def _retention(text: str | None, place: str) -> str | None:
    if text is not None:
        try:
            retention_days(text)
        except ValueError as error:
            raise Misconfigured(f"{place}: {error}") from None
    return text


def _model(name: str, table: ModelTable, faces: Mapping[str, tuple[Provider, ...]], place: str) -> Model:
    _check(_MODEL_NAME, name, f"{place}: a model's name is letters, digits and any of . _ : @ + / -")
    aliases = tuple(table.aliases or ())
    for alias in aliases:
        _check(_MODEL_NAME, alias, f"{place}: alias {alias[:40]!r} is not a model's name")
    surfaces = tuple(sorted(set(table.surfaces or (CHAT,))))
    context, max_output = _sizes(table, surfaces, place)
    if CHAT in surfaces and max_output > context:
        raise Misconfigured(f"{place}: max_output {max_output} is more than context {context}")
    released = table.released
    usual = Model(name, "", context, max_output, frozenset(), ())
    return Model(
        name=name,
        vendor=_optional(_PROVIDER_NAME, table.vendor, f"{place}: vendor is a word such as 'acme'") or "",
        context=context,
        max_output=max_output,
        capabilities=frozenset(table.capabilities or ()),
        endpoints=tuple(_endpoints(name, table, faces, place)),
        aliases=aliases,
        max_thinking=table.max_thinking,
        label=table.label or name,
        created=int(datetime(released.year, released.month, released.day, tzinfo=UTC).timestamp()) if released else 0,
        bytes_per_token=table.bytes_per_token or usual.bytes_per_token,
        image_tokens=table.image_tokens or usual.image_tokens,
        surfaces=surfaces,
        bytes_per_second=table.bytes_per_second or usual.bytes_per_second,
        max_seconds=table.max_seconds or usual.max_seconds,
        tokenizer=_optional(_WORD, table.tokenizer, f"{place}: tokenizer is a word such as 'o200k'") or usual.tokenizer,
    )


def _sizes(table: ModelTable, surfaces: tuple[str, ...], place: str) -> tuple[int, int]:
    """Context and maximum of the output; 0, none, where a model that does not chat has no such thing."""
    if CHAT in surfaces and len(surfaces) > 1:
        raise Misconfigured(f"{place}: a model chats or serves other surfaces: state two models for one that does both")
    if CHAT not in surfaces:
        return table.context or 0, table.max_output or 0
    return _needed(table.context, "context", place), _needed(table.max_output, "max_output", place)


def _endpoints(
    model: str, table: ModelTable, faces: Mapping[str, tuple[Provider, ...]], place: str
) -> Iterator[Endpoint]:
    """An endpoint in each wire of each company that sells the model."""
    for name, stated in (table.endpoints or {}).items():
        here = f"{place} endpoint at {name[:64]!r}"
        if name not in faces:
            raise Misconfigured(f"{here}: unknown provider{did_you_mean(name, faces)}")
        upstream_model = stated.upstream_model or model
        _check(_UPSTREAM_NAME, upstream_model, f"{here}: upstream_model is printable ASCII without spaces")
        region = _optional(_WORD, stated.region, f"{here}: region is a word such as 'us'")
        surfaces = tuple(sorted(set(table.surfaces or (CHAT,))))
        variants = () if stated.price is None else read_variants(stated.price, f"{here} price", surfaces)
        price = variants[0].price if variants else None
        selling = faces[name] if stated.wires is None else _selling(stated.wires, faces[name], here)
        for provider in _speaking(surfaces, selling, here):
            yield Endpoint(model, provider, upstream_model, price, region, variants)


def _speaking(surfaces: tuple[str, ...], selling: tuple[Provider, ...], here: str) -> tuple[Provider, ...]:
    """A model that does not chat is sold in the wire of its convention only."""
    if CHAT in surfaces:
        return selling
    speaking = tuple(provider for provider in selling if provider.wire == CONVENTION)
    if not speaking and not any(provider.moved for provider in selling):
        raise Misconfigured(f"{here}: {surfaces[0]} needs a provider that speaks {CONVENTION}")
    unsigned = tuple(provider for provider in speaking if provider.auth != "sigv4" or FORMS.isdisjoint(surfaces))
    if speaking and not unsigned and not any(provider.moved for provider in speaking):
        form = min(FORMS.intersection(surfaces))
        raise Misconfigured(
            f"{here}: {form} cannot be sold there: a form passes while it comes, and auth sigv4 signs only what is "
            f"whole; use another auth, or state the model without {form}"
        )
    return unsigned


def _selling(wires: Sequence[str], faces: tuple[Provider, ...], here: str) -> tuple[Provider, ...]:
    """The company in these wires; one that was moved may no longer be there in all of them."""
    spoken = {face.wire: face for face in faces}
    for wire in wires:
        if wire not in spoken and not faces[0].moved:
            raise Misconfigured(f"{here}: its provider does not speak {wire[:40]!r}{did_you_mean(wire, spoken)}")
    return tuple(spoken[wire] for wire in wires if wire in spoken)


def _refuse_clashes(models: Mapping[str, Model], places: Mapping[str, str]) -> None:
    """A name that two models bear would sell one for the other."""
    bearer = {name: name for name in models}
    for model in models.values():
        for alias in model.aliases:
            other = bearer.setdefault(alias, model.name)
            if other != model.name:
                raise Misconfigured(
                    f"{places[f'models.{model.name}']}: alias {alias!r} also names {other!r}; "
                    f"state aliases without it for one of them"
                )


def _timeouts(table: ProviderTable) -> Timeouts:
    stated = {} if table.timeouts is None else msgspec.structs.asdict(table.timeouts)
    return Timeouts(**{name: seconds for name, seconds in stated.items() if seconds is not None})


def _base_url(text: str, place: str) -> str:
    try:
        url = urlsplit(text)
        fine = url.scheme in {"http", "https"} and url.hostname and url.port != 0 and text.isascii()
    except ValueError:
        fine = False
    if not fine or url.query or url.fragment or url.username is not None or any(c <= " " for c in text):
        raise Misconfigured(f"{place}: base_url must be http:// or https://, a host and a path, nothing else")
    return text.rstrip("/")


def _credential(text: str | None, place: str) -> str | None:
    """The message never holds the value: it may be the secret itself."""
    if text is not None and _CREDENTIAL.fullmatch(text) is None:
        raise Misconfigured(f"{place}: credential must say where the key is (env:NAME, file:PATH, store:NAME)")
    return text


def _header(name: str, value: str, place: str) -> tuple[str, str]:
    if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
        raise Misconfigured(f"{place}: header {name[:40]!r} has characters that no header can carry")
    return name.lower(), value


def _needed(value: V | None, field: str, place: str) -> V:
    if value is None:
        raise Misconfigured(f"{place}: missing required field {field}")
    return value


def _check(pattern: re.Pattern[str], text: str, message: str) -> None:
    if pattern.fullmatch(text) is None:
        raise Misconfigured(message)


def _optional(pattern: re.Pattern[str], text: str | None, message: str) -> str | None:
    if text is not None:
        _check(pattern, text, message)
    return text
