"""The heads of answers, and refusals in full."""

from collections.abc import Iterable

from tokenharbor.billing.detail import cache_layer
from tokenharbor.billing.meter import Meter
from tokenharbor.gateway.call import Call, MeteredCall
from tokenharbor.kernel.errors import Refusal
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.wire.neutral.dialect import Dialect

EXPOSED = (
    "x-request-id, request-id, x-tokenharbor-model, x-tokenharbor-provider, x-tokenharbor-attempts, "
    "x-tokenharbor-cache, x-tokenharbor-cost-usd, x-tokenharbor-max-tokens, x-tokenharbor-left-out, "
    "x-tokenharbor-estimated, x-tokenharbor-stage, x-tokenharbor-stage-confidence, "
    "x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, "
    "x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens, "
    "retry-after, x-should-retry"
)
_CORS = f"access-control-allow-origin: *\r\naccess-control-expose-headers: {EXPOSED}\r\n"
_JSON = b"content-type: application/json\r\n" + _CORS.encode()
_SSE = (
    b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n"
    + _CORS.encode()
)
_PREFLIGHT = (
    b"access-control-allow-origin: *\r\n"
    b"access-control-allow-methods: GET, POST, OPTIONS\r\n"
    b"access-control-allow-headers: *, authorization\r\n"
    b"access-control-max-age: 86400\r\n"
)


def _ids(request_id: str) -> str:
    return f"x-request-id: {request_id}\r\nrequest-id: {request_id}\r\n"  # Anthropic's clients read the second


def whole_head(call: MeteredCall, lines: bytes, cost: Usd) -> bytes:
    """Return the head of a complete answer. `lines` name the model and provider that served it."""
    meter, request_id = call.meter, call.request_id
    layer = cache_layer(meter.usage) if meter.hit is None else meter.hit.layer
    own = (
        f"x-request-id: {request_id}\r\nrequest-id: {request_id}\r\nx-tokenharbor-attempts: {len(meter.attempts)}\r\n"
        f"x-tokenharbor-cache: {layer}\r\nx-tokenharbor-cost-usd: {cost}\r\n"
    )
    if meter.capped is not None or meter.left_out:
        own += _more(call)
    if call.pool_decision is not None:
        lines += call.pool_decision.lines
    if call.rates is not None:
        lines += call.rates.lines()
    return b"%b%b%b" % (_JSON, lines, own.encode("ascii"))


def _first_layer(meter: Meter) -> str:
    """Return the cache that answers a stream, as far as is known when it begins."""
    return "none" if meter.hit is None else meter.hit.layer


def stream_head(call: MeteredCall, lines: bytes) -> bytes:
    """Return the head of a stream. `lines` name the model and provider that serve it."""
    layer = _first_layer(call.meter)
    own = (
        f"{_ids(call.request_id)}x-tokenharbor-attempts: {len(call.meter.attempts)}\r\nx-tokenharbor-cache: {layer}\r\n"
    )
    if call.pool_decision is not None:
        lines += call.pool_decision.lines
    return _SSE + lines + rate_lines(call) + (own + _more(call)).encode("ascii")


def media_head(call: Call, lines: bytes, media: bytes, attempts: int = 0) -> bytes:
    """Return the head of an answer whose media type the provider named."""
    own = f"{_CORS}{_ids(call.request_id)}x-tokenharbor-attempts: {attempts}\r\n"
    first = b"content-type: %b\r\ncache-control: no-cache\r\n" % media
    return first + lines + rate_lines(call) + own.encode("ascii")


def write_refusal(dialect: Dialect, request_id: str, refusal: Refusal, lines: bytes = b"") -> tuple[int, bytes, bytes]:
    """Return status, head and body of a refusal in the caller's dialect. `lines` are more lines of the head: see
    `route_lines`, `rate_lines` and `allow_line`.
    """
    own = _ids(request_id)
    if refusal.retry_after is not None:
        own += f"retry-after: {refusal.retry_after}\r\n"
    if refusal.should_retry is not None:
        own += f"x-should-retry: {'true' if refusal.should_retry else 'false'}\r\n"
    body = dialect.write_refusal(refusal, request_id)
    return dialect.status_of(refusal), _JSON + own.encode("ascii") + lines, body


def route_lines(meter: Meter) -> bytes:
    """Return the header lines of a refusal that name the route, or b"" if no provider was asked."""
    if not meter.attempts:
        return b""
    return (
        f"x-tokenharbor-model: {meter.model}\r\nx-tokenharbor-provider: {meter.attempts[-1].provider}\r\n"
        f"x-tokenharbor-attempts: {len(meter.attempts)}\r\nx-tokenharbor-cache: none\r\n"
        f"x-tokenharbor-cost-usd: {ZERO}\r\n"
    ).encode("ascii")


def rate_lines(call: Call) -> bytes:
    """Return the `x-ratelimit-*` lines, or b"" for a caller without limits."""
    return b"" if call.rates is None else call.rates.lines()


def json_head(call: Call) -> bytes:
    return _JSON + rate_lines(call) + _ids(call.request_id).encode("ascii")


def estimate_head(call: Call) -> bytes:
    """Return the head of an answer with an estimated token count."""
    return json_head(call) + b"x-tokenharbor-estimated: true\r\n"


def options_head(request_id: str, methods: Iterable[str], *, public: bool) -> bytes:
    """Return the head of the answer to OPTIONS. At public paths it also answers a browser's CORS preflight."""
    return (_PREFLIGHT if public else b"") + allow_line(methods) + _ids(request_id).encode("ascii")


def allow_line(methods: Iterable[str]) -> bytes:
    """Return the header line with the methods that a path supports."""
    return f"allow: {', '.join(methods)}\r\n".encode("ascii")


def _more(call: MeteredCall) -> str:
    """Return the header lines of an answer whose request was changed on the way to the provider."""
    capped, left_out = call.meter.capped, call.meter.left_out
    more = "" if capped is None else f"x-tokenharbor-max-tokens: {capped}\r\n"
    return f"{more}x-tokenharbor-left-out: {', '.join(left_out)}\r\n" if left_out else more
