"""A provider's failure, read from its dialect: its kind and its message."""

from enum import StrEnum

import msgspec


class FailureKind(StrEnum):
    """The kind of a failure, which decides who is at fault and what to try next (see routing/verdict.py)."""

    REQUEST = "request"  # 400, 413, 422: the vendor refused the request itself
    CONTEXT = "context"  # a 400 whose code or message says that the input is too long
    CREDENTIAL = "credential"  # 401, 402, 403: the gateway's credential, not the caller's key
    NOT_FOUND = "not_found"  # 404: the endpoint or the model does not exist there
    RATE_LIMIT = "rate_limit"  # 429, or a stream error that says so
    OVERLOADED = "overloaded"  # 529, or a stream error that says so
    SERVER = "server"  # 503 and other 5xx, and any unexpected status
    CONNECT = "connect"  # no connection
    TIMEOUT = "timeout"  # connect, first event, between events, total
    BROKEN = "broken"  # closed or reset before the end, or without the terminator
    GARBAGE = "garbage"  # unreadable JSON, or not of the dialect's schema
    OVERLONG = "overlong"  # cut by the gateway, far beyond the request's maximum


class Failure(msgspec.Struct, frozen=True):
    """One failed attempt. `message` and `code` are the vendor's own words, unscrubbed: never log them."""

    kind: FailureKind
    status: int | None = None
    message: str = ""
    code: str = ""
    type: str = ""
    param: str | None = None
    retry_after: int | None = None  # seconds


GARBAGE_ANSWER = Failure(FailureKind.GARBAGE, message="the answer does not match the schema of this API")
GARBAGE_EVENT = Failure(
    FailureKind.GARBAGE, message="the stream has an event that does not match the schema of this API"
)
