"""Our own fields in a request, the same in every dialect: `provider`, `cache`, `usage`."""

from typing import NamedTuple, TypeVar

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.kernel.money import Usd
from tokenharbor.wire.body import Members, UnreadableError, scan
from tokenharbor.wire.fields import wrong_shape
from tokenharbor.wire.request import CacheRules, ProviderRules, UsageRules

NAMES = ("provider", "cache", "usage")
"""They are removed from the body on its way to a vendor."""

REMOVED: dict[str, bytes | None] = dict.fromkeys(NAMES)
"""The edit that does so."""

T = TypeVar("T", bound=msgspec.Struct)

_BRACE = ord("{")

_PROVIDER = msgspec.json.Decoder(ProviderRules)
_CACHE = msgspec.json.Decoder(CacheRules)
_USAGE = msgspec.json.Decoder(UsageRules)


class Extensions(NamedTuple):
    """What the caller asked of us."""

    rules: ProviderRules | None = None
    cache: CacheRules | None = None
    include_cost: bool = False


NONE = Extensions()


def read_extensions(members: Members) -> Extensions:
    """Raises InvalidRequest that names the field."""
    rules, cache, usage = members.get("provider"), members.get("cache"), members.get("usage")
    return Extensions(
        read_rules(rules) if rules is not None else None,
        _read(_CACHE, "cache", cache) if cache is not None else None,
        _read(_USAGE, "usage", usage).include if usage is not None else False,
    )


def read_rules(raw: bytes | msgspec.Raw, name: str = "provider") -> ProviderRules:
    """The `provider` extension, from the body or from a header; raises InvalidRequest that names the field."""
    rules = _read(_PROVIDER, name, raw)
    if rules.max_price is not None:
        for field in ("input", "output"):
            _check_price(getattr(rules.max_price, field), f"{name}.max_price.{field}")
    return rules


def _check_price(text: str | None, param: str) -> None:
    if text is None:
        return
    try:
        Usd.parse(text)
    except ValueError:
        pass
    else:
        if not text.startswith("-"):
            return
    raise InvalidRequest(
        f'`{param}` must be US dollars per 1M tokens as a decimal string, such as "0.50".', param=param
    )


def _read(decoder: "msgspec.json.Decoder[T]", name: str, raw: bytes | msgspec.Raw) -> T:
    try:
        read = decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        fields = [field.encode_name for field in msgspec.structs.fields(decoder.type)]
        raise wrong_shape(name, error, fields) from None
    _refuse_repeats(name, bytes(raw))
    return read


def _refuse_repeats(name: str, raw: bytes) -> None:
    """A name that stands twice could mean either. Only known fields come here, so it is not deep."""
    try:
        members = scan(raw)
    except UnreadableError as error:
        raise InvalidRequest(f"`{name}` is not usable: {error}.", param=name) from None
    for member, value in members.items():
        if memoryview(value)[0] == _BRACE:
            _refuse_repeats(f"{name}.{member}", bytes(value))
