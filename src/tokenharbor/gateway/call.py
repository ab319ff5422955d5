"""A call: the gateway's record of an exchange, with its id, its key and the headers that matter."""

import re
from typing import Protocol
from urllib.parse import parse_qsl, unquote_plus

from tokenharbor.billing.meter import Meter
from tokenharbor.gateway.cacheable_request import CacheableRequest
from tokenharbor.gateway.pool_decision import PoolDecision
from tokenharbor.http.exchange import Exchange
from tokenharbor.http.head import HeaderMap, refuse_repeated
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import InvalidApiKey, InvalidRequest
from tokenharbor.kernel.world import World
from tokenharbor.wire.framing.names import fold, meant_by, shown
from tokenharbor.wire.neutral.chat import Chat
from tokenharbor.wire.neutral.dialect import Dialect, ModelInPath
from tokenharbor.wire.neutral.extensions import read_rules
from tokenharbor.wire.neutral.request import ProviderRules

_MAX_CLIENT_ID = 128
_QUERY = frozenset({"alt", "dry_run", "limit"})
"""The query parameters that are read; others are ignored."""
_DRY_RUNS = frozenset({"dryrun", "dry-run", "dry.run"})


class RateLines(Protocol):
    """Source of a caller's rate limit headers."""

    def lines(self) -> bytes:
        """Return the `x-ratelimit-*` lines of an answer that is sent now."""


class Call:
    """An exchange before its body is read: who calls, when, and in which dialect."""

    __slots__ = (
        "clock",
        "dialect",
        "dry_run",
        "exchange",
        "key",
        "model_in_path",
        "rates",
        "request_id",
        "started_at",
        "uuid",
    )

    def __init__(
        self, exchange: Exchange, dialect: Dialect, world: World, model_in_path: ModelInPath | None = None
    ) -> None:
        self.uuid = world.ids.new()
        self.request_id = ids.show("req", self.uuid)
        self.exchange = exchange
        self.dialect = dialect
        self.model_in_path = model_in_path  # model and streaming, in dialects that state them in the path
        self.clock = world.clock
        self.started_at = world.clock.now()
        self.key = presented_key(exchange.header_map)
        self.dry_run = False
        self.rates: RateLines | None = None  # None for a caller without limits

    def read_query(self) -> None:
        """Read the query's parameters. Raises InvalidApiKey for a key in it, since URLs are logged; InvalidRequest."""
        streams = self.model_in_path is not None and self.model_in_path.stream
        if not self.exchange.query and not streams:
            return
        query = parse_qsl(self.exchange.query, keep_blank_values=True)
        names, behind = [name for name, _ in query], _behind_semicolons(self.exchange.query)
        if any(fold(name) == "key" for name in (*names, *behind)):
            raise InvalidApiKey(
                "Send the key in a header (Authorization: Bearer, x-api-key or x-goog-api-key), not in the URL."
            )
        _check_names(names)
        if any(_meant(name) in _QUERY for name in behind):
            raise InvalidRequest("Separate the parameters of the query with `&`, not with `;`.")
        if streams and ("alt", "sse") not in query:
            raise InvalidRequest("Streaming needs server-sent events: add ?alt=sse to the path.", param="alt")
        self.dry_run = _is_dry({value for name, value in query if name == "dry_run"})


class MeteredCall(Call):
    """A call that is billed, with its meter and the headers that concern the request."""

    __slots__ = ("cache", "chat", "forwarded_lines", "headers", "meter", "pool_decision", "rules_header")

    def __init__(
        self, exchange: Exchange, dialect: Dialect, world: World, model_in_path: ModelInPath | None = None
    ) -> None:
        super().__init__(exchange, dialect, world, model_in_path)
        self.headers = headers = exchange.header_map
        self.meter = Meter(self.uuid, self.started_at, world.clock.monotonic())
        self.cache: CacheableRequest | None = None  # None if the request is not cacheable
        self.chat: Chat | None = None  # in neutral form, read only if a provider of another dialect may serve it
        self.pool_decision: PoolDecision | None = None  # only of a request for a model pool
        self.forwarded_lines = (
            b"" if dialect.forwarded_headers.isdisjoint(headers) else forwarded_headers(headers, dialect)
        )
        self.rules_header = headers.get(b"x-tokenharbor-provider")
        if b"x-request-id" in headers:
            first = headers[b"x-request-id"].partition(b"\n")[0]
            self.meter.client_request_id = first[:_MAX_CLIENT_ID].decode("latin-1")

    def header_rules(self) -> ProviderRules | None:
        """Return the provider rules of the header `x-tokenharbor-provider`, or None. Raises InvalidRequest."""
        if self.rules_header is None:
            return None
        refuse_repeated(self.rules_header, "x-tokenharbor-provider")
        return read_rules(self.rules_header, "x-tokenharbor-provider")


def _check_names(names: list[str]) -> None:
    """Raise InvalidRequest if a parameter that is read is misspelled or repeated, as for a body's fields."""
    for name in names:
        if not name.isprintable():
            raise InvalidRequest("The query has a name with control characters: remove them.")
        meant = _meant(name)
        if meant != name or (name in _QUERY and names.count(name) > 1):
            raise InvalidRequest(f"The query must have `{meant}` once, in this spelling.", param=shown(name))


def _meant(name: str) -> str:
    return meant_by(name, _QUERY) or ("dry_run" if fold(name) in _DRY_RUNS else name)


def _behind_semicolons(query: str) -> list[str]:
    """Return the names found if `;` is taken for a separator, as HTML 4 advised."""
    return [unquote_plus(re.split("[&=]", piece, maxsplit=1)[0]) for piece in query.split(";")[1:]]


def _is_dry(values: set[str]) -> bool:
    """Return whether `dry_run` is on. Raises InvalidRequest for unclear values: such a caller must not be billed."""
    if values <= {"0", "false"}:
        return False
    if values <= {"1", "true"}:
        return True
    raise InvalidRequest("`dry_run` must be 1 or 0: send ?dry_run=1, or remove it.", param="dry_run")


def may_be_dry(query: str) -> bool:
    """Return whether a query may ask for a dry run, and has to be parsed to find out."""
    return "dry" in query.lower()


def presented_key(headers: HeaderMap) -> bytes | None:
    """Return the key as it was sent, or None. `Authorization` wins over the vendors' own headers."""
    value = headers.get(b"authorization")
    if value is not None and (value.startswith(b"Bearer ") or value[:7].lower() == b"bearer "):
        return value[7:].strip()
    value = headers.get(b"x-api-key") or headers.get(b"x-goog-api-key")
    return value.strip() if value is not None else None


def forwarded_headers(headers: HeaderMap, dialect: Dialect) -> bytes:
    """Return the caller's header lines that are forwarded to providers of the same dialect."""
    lines = [
        b"%b: %b\r\n" % (name, kept)
        for name, joined in headers.items()
        if name in dialect.forwarded_headers
        for value in joined.split(b"\n")
        if (kept := _without(value, dialect.withheld_values))
    ]
    return b"".join(lines)


def _without(value: bytes, withheld: tuple[bytes, ...]) -> bytes:
    """Return a header's value without the items that are withheld."""
    if not any(each in value.lower() for each in withheld):
        return value
    return b",".join([item for item in value.split(b",") if not item.strip().lower().startswith(withheld)])
