"""One call as it comes in: its id, its key and the few headers that matter, read in one pass."""

from urllib.parse import parse_qsl

import msgspec

from tokenharbor.billing.meter import Meter
from tokenharbor.http.exchange import Exchange
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import InvalidApiKey, InvalidRequest
from tokenharbor.kernel.world import World
from tokenharbor.wire.dialect import Dialect
from tokenharbor.wire.request import ProviderRules

_KEY_HEADERS = (b"authorization", b"x-api-key", b"x-goog-api-key")
_BEARER = b"bearer "
_MAX_CLIENT_ID = 128
_RULES = msgspec.json.Decoder(ProviderRules)


class Call:
    """What the gateway notes of an exchange before it reads the body."""

    __slots__ = (
        "client_request_id",
        "dialect",
        "dry_run",
        "exchange",
        "key",
        "lines",
        "meter",
        "request_id",
        "rules",
    )

    def __init__(self, exchange: Exchange, dialect: Dialect, world: World) -> None:
        uuid = world.ids.new()
        clock = world.clock
        self.exchange = exchange
        self.dialect = dialect
        self.meter = Meter(uuid, clock.now(), clock.monotonic())
        self.request_id = ids.show("req", uuid)
        self.key: bytes | None = None
        self.lines = b""
        self.rules: bytes | None = None
        self.dry_run = False
        self._read_headers()

    def _read_headers(self) -> None:
        passes = self.dialect.passes
        for name, value in self.exchange.headers:
            if name in _KEY_HEADERS:
                self.key = _bare(name, value)
            elif name in passes:
                self.lines += name + b": " + value + b"\r\n"
            elif name == b"x-tokenharbor-provider":
                self.rules = value
            elif name == b"x-request-id":
                self.meter.client_request_id = value[:_MAX_CLIENT_ID].decode("latin-1")

    def read_query(self) -> None:
        """The query's own parameters; a key in it is refused, since URLs end in logs."""
        if not self.exchange.query:
            return
        query = dict(parse_qsl(self.exchange.query, keep_blank_values=True))
        if "key" in query:
            raise InvalidApiKey(
                "Send the key in a header (Authorization: Bearer, x-api-key or x-goog-api-key), not in the URL."
            )
        self.dry_run = query.get("dry_run") in ("1", "true")

    def header_rules(self) -> ProviderRules | None:
        """The `provider` extension where it came as a header."""
        if self.rules is None:
            return None
        try:
            return _RULES.decode(self.rules)
        except msgspec.MsgspecError as error:
            raise InvalidRequest(f"x-tokenharbor-provider: {error}", param="provider") from None


def _bare(name: bytes, value: bytes) -> bytes | None:
    if name != b"authorization":
        return value.strip()
    return value[len(_BEARER) :].strip() if value[: len(_BEARER)].lower() == _BEARER else None
