"""The tree of errors: each refusal has the contract's status, code and type."""

import pytest

from tokenharbor.kernel import errors
from tokenharbor.kernel.errors import Refusal

CONTRACT = [
    (errors.InvalidRequest, 400, "invalid_request", "invalid_request_error"),
    (errors.ContextLengthExceeded, 400, "context_length_exceeded", "invalid_request_error"),
    (errors.InvalidApiKey, 401, "invalid_api_key", "authentication_error"),
    (errors.InsufficientQuota, 402, "insufficient_quota", "insufficient_quota"),
    (errors.PermissionDenied, 403, "permission_denied", "permission_error"),
    (errors.ModelNotFound, 404, "model_not_found", "invalid_request_error"),
    (errors.RequestTooLarge, 413, "request_too_large", "invalid_request_error"),
    (errors.RateLimited, 429, "rate_limit_exceeded", "rate_limit_error"),
    (errors.UpstreamError, 502, "upstream_error", "api_error"),
    (errors.NoProviderAvailable, 503, "no_provider_available", "api_error"),
    (errors.Unavailable, 503, "unavailable", "api_error"),
    (errors.UpstreamTimeout, 504, "upstream_timeout", "api_error"),
]


@pytest.mark.parametrize(("kind", "status", "code", "type_"), CONTRACT)
def test_a_refusal_says_what_the_contract_says(kind: type[Refusal], status: int, code: str, type_: str) -> None:
    refusal = kind("do this", param="model", provider="p", retry_after=3)
    assert (refusal.status, refusal.code, refusal.type) == (status, code, type_)
    assert (str(refusal), refusal.param, refusal.provider, refusal.retry_after) == ("do this", "model", "p", 3)


def test_what_asking_again_cannot_mend_says_so() -> None:
    assert errors.InsufficientQuota("").should_retry is False
    assert errors.BoundariesLeaveNobody("").should_retry is False
    assert errors.Unavailable("").should_retry is None


def test_a_vendors_refusal_keeps_its_own_words() -> None:
    refusal = errors.VendorRefused("no", status=422, code="bad_tool", type="invalid", param="tools")
    assert (refusal.status, refusal.code, refusal.type, refusal.param) == (422, "bad_tool", "invalid", "tools")
