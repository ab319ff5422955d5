"""Verdicts: for each kind of failure, what is tried next and the caller's error."""

import pytest

from tokenharbor.kernel.errors import (
    ContextLengthExceeded,
    RateLimited,
    Refusal,
    UpstreamError,
    UpstreamTimeout,
    VendorRefused,
)
from tokenharbor.routing.verdict import VERDICTS, FailedAttempt, provider_failure_refusal, refusal_after_attempts
from tokenharbor.wire.neutral.failure import Failure, FailureKind

TABLE: dict[FailureKind, tuple[bool, type[Refusal], int]] = {
    FailureKind.REQUEST: (False, VendorRefused, 422),
    FailureKind.CONTEXT: (False, ContextLengthExceeded, 400),
    FailureKind.CREDENTIAL: (True, UpstreamError, 502),
    FailureKind.NOT_FOUND: (True, UpstreamError, 502),
    FailureKind.RATE_LIMIT: (True, RateLimited, 429),
    FailureKind.OVERLOADED: (True, RateLimited, 429),
    FailureKind.SERVER: (True, UpstreamError, 502),
    FailureKind.CONNECT: (True, UpstreamError, 502),
    FailureKind.TIMEOUT: (True, UpstreamTimeout, 504),
    FailureKind.BROKEN: (True, UpstreamError, 502),
    FailureKind.GARBAGE: (True, UpstreamError, 502),
    FailureKind.OVERLONG: (True, UpstreamError, 502),
}


def fault(kind: FailureKind, provider: str = "alpha", **more: object) -> FailedAttempt:
    return FailedAttempt(provider, Failure(kind, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", FailureKind)
def test_every_kind_has_its_verdict_and_its_words(kind: FailureKind) -> None:
    try_next, refusal_type, status = TABLE[kind]
    assert VERDICTS[kind].try_next is try_next
    refusal = refusal_after_attempts([fault(kind, status=422)])
    assert type(refusal) is refusal_type
    assert refusal.status == status
    if status in (502, 504):
        assert refusal.provider == "alpha"
        assert "Nothing was billed" in refusal.message


def test_only_when_everybody_is_busy_is_it_a_rate_limit_with_the_shortest_wait() -> None:
    busy = [fault(FailureKind.RATE_LIMIT, retry_after=30), fault(FailureKind.OVERLOADED, "beta", retry_after=7)]
    refusal = refusal_after_attempts(busy)
    assert (type(refusal), refusal.retry_after) == (RateLimited, 7)
    mixed = refusal_after_attempts([fault(FailureKind.SERVER), fault(FailureKind.RATE_LIMIT, "beta")])
    assert (type(mixed), mixed.provider) == (UpstreamError, "alpha")


def test_a_vendors_refusal_of_the_request_ends_the_tries_in_its_own_words() -> None:
    refusal = refusal_after_attempts(
        [
            fault(FailureKind.SERVER),
            fault(FailureKind.REQUEST, status=400, message="bad tool", code="bad", param="tools"),
        ]
    )
    assert (refusal.status, refusal.code, refusal.message, refusal.param) == (400, "bad", "bad tool", "tools")


def test_what_was_our_fault_never_reaches_the_caller_in_the_vendors_words() -> None:
    refusal = refusal_after_attempts(
        [fault(FailureKind.CREDENTIAL, status=401, message="Incorrect API key sk-abc provided")]
    )
    assert "sk-abc" not in refusal.message


@pytest.mark.parametrize("kind", FailureKind)
def test_asking_again_is_advised_only_where_it_may_help(kind: FailureKind) -> None:
    """Also of a stream that has begun: what the vendor holds against the request, it will hold against it again."""
    refusal = provider_failure_refusal(fault(kind, message="too long by half"))
    assert ("try again" in refusal.message) is VERDICTS[kind].try_next
    if not VERDICTS[kind].try_next:
        assert (type(refusal), refusal.status) == (TABLE[kind][1], 400)
        assert refusal.message == "too long by half"
        assert provider_failure_refusal(fault(kind), billed=True).message.endswith(" is billed.")
