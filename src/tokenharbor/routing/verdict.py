"""Verdicts: for each kind of failure, whose fault it is, whether to try the next endpoint, and the caller's error."""

from collections.abc import Mapping, Sequence

import msgspec

from tokenharbor.kernel.errors import (
    ContextLengthExceeded,
    RateLimited,
    Refusal,
    Unavailable,
    UpstreamError,
    UpstreamTimeout,
    VendorRefused,
)
from tokenharbor.wire.neutral.failure import Failure, FailureKind
from tokenharbor.wire.neutral.refusal import scrub


class Verdict(msgspec.Struct, frozen=True):
    """The meaning of a kind of failure. `cool_seconds` is 0 if it is not the endpoint's fault."""

    try_next: bool
    cool_seconds: float
    description: str  # for errors and receipts


VERDICTS: Mapping[FailureKind, Verdict] = {
    FailureKind.REQUEST: Verdict(try_next=False, cool_seconds=0, description="the provider rejected the request"),
    FailureKind.CONTEXT: Verdict(
        try_next=False, cool_seconds=0, description="the input exceeds the context length of the model"
    ),
    FailureKind.CREDENTIAL: Verdict(
        try_next=True, cool_seconds=60, description="the provider rejected the gateway's credential"
    ),
    FailureKind.NOT_FOUND: Verdict(try_next=True, cool_seconds=60, description="the provider does not know the model"),
    FailureKind.RATE_LIMIT: Verdict(
        try_next=True, cool_seconds=2, description="the rate limit of the provider was reached"
    ),
    FailureKind.OVERLOADED: Verdict(try_next=True, cool_seconds=2, description="the provider is overloaded"),
    FailureKind.SERVER: Verdict(try_next=True, cool_seconds=2, description="the provider had a server error"),
    FailureKind.CONNECT: Verdict(try_next=True, cool_seconds=5, description="the connection to the provider failed"),
    FailureKind.TIMEOUT: Verdict(try_next=True, cool_seconds=5, description="the provider did not answer in time"),
    FailureKind.BROKEN: Verdict(try_next=True, cool_seconds=2, description="the provider ended the answer early"),
    FailureKind.GARBAGE: Verdict(try_next=True, cool_seconds=2, description="the provider sent an invalid answer"),
    FailureKind.OVERLONG: Verdict(
        try_next=True, cool_seconds=2, description="the provider sent far more than the output limit"
    ),
}

_BUSY = frozenset({FailureKind.RATE_LIMIT, FailureKind.OVERLOADED})
_LEAST_RETRY_SECONDS = 1
_LONGEST_WORD = 100


class FailedAttempt(msgspec.Struct, frozen=True):
    """A failure, and the provider that it came from."""

    provider: str
    failure: Failure


def refusal_after_attempts(failed_attempts: Sequence[FailedAttempt]) -> Refusal:
    """Return the error for the caller when no endpoint is left, from at least one failed attempt, in order."""
    last = failed_attempts[-1]
    if not VERDICTS[last.failure.kind].try_next:
        return _vendor_refusal(last)
    if all(failed.failure.kind in _BUSY for failed in failed_attempts):
        waits = [failed.failure.retry_after for failed in failed_attempts if failed.failure.retry_after is not None]
        return RateLimited(
            "Every provider of this model has reached its rate limit: wait and try again.",
            provider=last.provider,
            retry_after=max(min(waits, default=0), _LEAST_RETRY_SECONDS),
        )
    to_blame = next(failed for failed in reversed(failed_attempts) if failed.failure.kind not in _BUSY)
    return provider_failure_refusal(to_blame)


def provider_failure_refusal(failed: FailedAttempt, *, billed: bool = False) -> Refusal:
    """Return the error for the caller after one provider's failure. `billed`: the edition bills the output so far. If
    the provider rejects the request itself, the error does not ask for a retry, which would cost as much and fail
    again.
    """
    if not VERDICTS[failed.failure.kind].try_next:
        return _vendor_refusal(failed, " The output received so far is billed." if billed else "")
    kind = UpstreamTimeout if failed.failure.kind is FailureKind.TIMEOUT else UpstreamError
    description = VERDICTS[failed.failure.kind].description
    return kind(
        f"{failed.provider}: {description}. {_billing_sentence(billed=billed)}; try again.", provider=failed.provider
    )


def ended_by_server_refusal(*, billed: bool = False) -> Refusal:
    """Return the error for an answer that is cut because the server stops, or has lost its database for too long."""
    return Unavailable(f"The server had to end this answer. {_billing_sentence(billed=billed)}; try again shortly.")


def _billing_sentence(*, billed: bool) -> str:
    return "The output received so far is billed" if billed else "Nothing was billed"


def _vendor_refusal(failed: FailedAttempt, more: str = "") -> Refusal:
    failure = failed.failure
    message, param = scrub(failure.message), _safe_word(failure.param)
    if failure.kind is FailureKind.CONTEXT:
        return ContextLengthExceeded(
            (message or "The input exceeds the context length of the model: send less input.") + more, param=param
        )
    return VendorRefused(
        (message or "The provider rejected the request without a reason: check its fields, or use another model.")
        + more,
        status=failure.status if failure.status in (400, 413, 422) else 400,
        code=_safe_word(failure.code) or "invalid_request",
        type=_safe_word(failure.type) or "invalid_request_error",
        param=param,
    )


def _safe_word(text: str | None) -> str | None:
    """Return a provider's code, type or field name, or None if it is empty, too long or contains a secret."""
    return text if text and len(text) <= _LONGEST_WORD and scrub(text) == text else None
