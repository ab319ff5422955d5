"""The gateway's own fields in a request, the same in every dialect: `provider`, `cache`, `usage`, `session_id`."""

from typing import NamedTuple, TypeVar

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.wire.framing.body import Members, UnreadableError, scan
from tokenharbor.wire.framing.fields import is_null, wrong_shape
from tokenharbor.wire.framing.json_values import NULL, UNREADABLE
from tokenharbor.wire.neutral.request import CacheRules, MaxPrice, ProviderRules, Request, UsageRules

NAMES = ("provider", "cache", "usage", "session_id")
"""The fields; they are removed from the body on its way to a vendor."""

REMOVED: dict[str, bytes | None] = dict.fromkeys(NAMES)
"""The edit that removes them."""

T = TypeVar("T", bound=msgspec.Struct)

_BRACE = ord("{")

_PROVIDER = msgspec.json.Decoder(ProviderRules)
_CACHE = msgspec.json.Decoder(CacheRules)
_USAGE = msgspec.json.Decoder(UsageRules)
_TEXT = msgspec.json.Decoder(str).decode
_LONGEST_SESSION = 256


class _Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    input: msgspec.Raw = NULL
    output: msgspec.Raw = NULL
    prompt: msgspec.Raw = NULL
    completion: msgspec.Raw = NULL


_MAX_PRICE = msgspec.json.Decoder(_Prices)


class Extensions(NamedTuple):
    """The caller's requests to the gateway."""

    rules: ProviderRules | None = None
    cache: CacheRules | None = None
    include_cost: bool = False


NONE = Extensions()


def read_extensions(members: Members) -> Extensions:
    """Read our fields from a request's members. Raises InvalidRequest that names the field."""
    rules, cache, usage = members.get("provider"), members.get("cache"), members.get("usage")
    if "session_id" in members and not is_null(members["session_id"]):
        _check_session(members["session_id"])
    return Extensions(
        None if rules is None or is_null(rules) else read_rules(rules),
        None if cache is None or is_null(cache) else _read(_CACHE, "cache", cache),
        False if usage is None or is_null(usage) else _read(_USAGE, "usage", usage).include,
    )


def _check_session(raw: msgspec.Raw) -> None:
    try:
        if len(_TEXT(raw)) <= _LONGEST_SESSION:
            return
    except UNREADABLE:
        pass
    raise InvalidRequest(f"`session_id` must be a string of at most {_LONGEST_SESSION} characters.", param="session_id")


def extended(request: Request, ours: Extensions) -> Request:
    """Return the request with the extensions of its body."""
    return msgspec.structs.replace(
        request, rules=ours.rules, cache=ours.cache, include_cost=ours.include_cost, extended=True
    )


def read_rules(raw: bytes | msgspec.Raw, name: str = "provider") -> ProviderRules:
    """Read the `provider` extension from the body or from a header. Raises InvalidRequest that names the field."""
    rules = _read(_PROVIDER, name, raw)
    read_max_price(rules.max_price, f"{name}.max_price")
    return rules


def read_max_price(raw: msgspec.Raw, name: str = "provider.max_price") -> MaxPrice:
    """Read prices given as strings or numbers, under our names or OpenRouter's. Raises InvalidRequest."""
    if is_null(raw):
        return MaxPrice()
    stated = _read(_MAX_PRICE, name, raw)
    prices: dict[str, str | None] = {}
    for field, alias in (("input", "prompt"), ("output", "completion")):
        ours, theirs = getattr(stated, field), getattr(stated, alias)
        if not is_null(ours) and not is_null(theirs):
            raise InvalidRequest(
                f"`{name}.{alias}` means the same as `{name}.{field}`: set only one of them.", param=name
            )
        prices[field] = (
            _read_price(theirs, f"{name}.{alias}") if is_null(ours) else _read_price(ours, f"{name}.{field}")
        )
    return MaxPrice(**prices)


def _read_price(raw: msgspec.Raw, param: str) -> str | None:
    """Return a price as a decimal string; a number is taken by its digits, never as a float."""
    if is_null(raw):
        return None
    text = bytes(raw).decode()
    try:
        text = _TEXT(raw) if text.startswith('"') else text
        if Usd.parse(text) >= ZERO and not text.startswith("-"):
            return text
    except (msgspec.DecodeError, ValueError):
        pass
    raise InvalidRequest(
        f'`{param}` must be US dollars per 1M tokens as a decimal string, such as "0.50".', param=param
    )


def _read(decoder: "msgspec.json.Decoder[T]", name: str, raw: bytes | msgspec.Raw) -> T:
    try:
        read = decoder.decode(raw)
    except UNREADABLE as error:
        fields = [field.encode_name for field in msgspec.structs.fields(decoder.type)]
        raise wrong_shape(name, error, fields) from None
    _refuse_repeats(name, bytes(raw))
    return read


def _refuse_repeats(name: str, raw: bytes) -> None:
    """Refuse repeated keys, which are ambiguous. Only known fields get here, so the recursion is shallow."""
    try:
        members = scan(raw)
    except UnreadableError as error:
        raise InvalidRequest(f"`{name}` is invalid: {error}.", param=name) from None
    for member, value in members.items():
        if memoryview(value)[0] == _BRACE:
            _refuse_repeats(f"{name}.{member}", bytes(value))
