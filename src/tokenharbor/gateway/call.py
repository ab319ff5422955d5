"""One call as it comes in: its id, its key and the few headers that matter, read in one pass."""

import re
from typing import Protocol
from urllib.parse import parse_qsl, unquote_plus

from tokenharbor.billing.meter import Meter
from tokenharbor.gateway.cacheable_request import CacheableRequest
from tokenharbor.gateway.staged import Staged
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
"""The parameters of queries that are read; others are passed over."""
_DRY_RUNS = frozenset({"dryrun", "dry-run", "dry.run"})


class RateLines(Protocol):
    """What answers say of a caller's rates."""

    def lines(self) -> bytes:
        """The `x-ratelimit-*` lines of an answer that leaves now."""


class Call:
    """What the gateway notes of an exchange before it reads the body: who calls, when, and in which dialect."""

    __slots__ = ("clock", "dialect", "dry_run", "exchange", "key", "place", "rates", "request_id", "started_at", "uuid")

    def __init__(self, exchange: Exchange, dialect: Dialect, world: World, place: ModelInPath | None = None) -> None:
        self.uuid = world.ids.new()
        self.request_id = ids.show("req", self.uuid)
        self.exchange = exchange
        self.dialect = dialect
        self.place = place  # what the path says, in a dialect that says it there
        self.clock = world.clock
        self.started_at = world.clock.now()
        self.key = presented_key(exchange.header_map)
        self.dry_run = False
        self.rates: RateLines | None = None  # of a caller who has limits

    def read_query(self) -> None:
        """The query's own parameters; a key in it is refused, since URLs end in logs."""
        streams = self.place is not None and self.place.stream
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
    """A call that is billed: its meter, and what its headers say of the request."""

    __slots__ = ("cache", "chat", "headers", "lines", "meter", "rules", "staged")

    def __init__(self, exchange: Exchange, dialect: Dialect, world: World, place: ModelInPath | None = None) -> None:
        super().__init__(exchange, dialect, world, place)
        self.headers = headers = exchange.header_map
        self.meter = Meter(self.uuid, self.started_at, world.clock.monotonic())
        self.cache: CacheableRequest | None = None  # of a request whose answer may be kept
        self.chat: Chat | None = None  # the request's meaning, read only where a vendor of another dialect may serve
        self.staged: Staged | None = None  # of a request whose model stands for many
        self.lines = b"" if dialect.forwarded_headers.isdisjoint(headers) else forwarded_headers(headers, dialect)
        self.rules = headers.get(b"x-tokenharbor-provider")
        if b"x-request-id" in headers:
            first = headers[b"x-request-id"].partition(b"\n")[0]
            self.meter.client_request_id = first[:_MAX_CLIENT_ID].decode("latin-1")

    def header_rules(self) -> ProviderRules | None:
        """The `provider` extension where it came as a header."""
        if self.rules is None:
            return None
        refuse_repeated(self.rules, "x-tokenharbor-provider")
        return read_rules(self.rules, "x-tokenharbor-provider")


def _check_names(names: list[str]) -> None:
    """As of a body's keys: those that we know are spelled in one way, and stand once."""
    for name in names:
        if not name.isprintable():
            raise InvalidRequest("The query has a name with control characters: remove them.")
        meant = _meant(name)
        if meant != name or (name in _QUERY and names.count(name) > 1):
            raise InvalidRequest(f"The query must have `{meant}` once, in this spelling.", param=shown(name))


def _meant(name: str) -> str:
    return meant_by(name, _QUERY) or ("dry_run" if fold(name) in _DRY_RUNS else name)


def _behind_semicolons(query: str) -> list[str]:
    """The names that a reader finds who takes `;` for a separator, as HTML 4 advised."""
    return [unquote_plus(re.split("[&=]", piece, maxsplit=1)[0]) for piece in query.split(";")[1:]]


def _is_dry(values: set[str]) -> bool:
    """Whoever writes `dry_run` does not expect to be billed: what is not clearly yes or no is refused."""
    if values <= {"0", "false"}:
        return False
    if values <= {"1", "true"}:
        return True
    raise InvalidRequest("`dry_run` must be 1 or 0: send ?dry_run=1, or remove it.", param="dry_run")


def may_be_dry(query: str) -> bool:
    """Whether it takes a closer look to say that no dry run is asked for."""
    return "dry" in query.lower()


def presented_key(headers: HeaderMap) -> bytes | None:
    """The key as it was sent; `Authorization` wins over the vendors' own headers."""
    value = headers.get(b"authorization")
    if value is not None and (value.startswith(b"Bearer ") or value[:7].lower() == b"bearer "):
        return value[7:].strip()
    value = headers.get(b"x-api-key") or headers.get(b"x-goog-api-key")
    return value.strip() if value is not None else None


def forwarded_headers(headers: HeaderMap, dialect: Dialect) -> bytes:
    """The caller's header lines that go on to a vendor of its dialect."""
    lines = [
        b"%b: %b\r\n" % (name, kept)
        for name, joined in headers.items()
        if name in dialect.forwarded_headers
        for value in joined.split(b"\n")
        if (kept := _without(value, dialect.withheld_values))
    ]
    return b"".join(lines)


def _without(value: bytes, withheld: tuple[bytes, ...]) -> bytes:
    """A header's value without those of its items that are not sold; as it came where there are none."""
    if not any(each in value.lower() for each in withheld):
        return value
    return b",".join([item for item in value.split(b",") if not item.strip().lower().startswith(withheld)])
