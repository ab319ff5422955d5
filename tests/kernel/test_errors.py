"""The tree of errors: each refusal has the contract's status, code and type."""

from collections.abc import Iterator

import pytest

from tokenharbor.kernel import errors
from tokenharbor.kernel.errors import HTTP_ERRORS, HarborError, Refusal, http_error

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
    (errors.FreeModelsDisabled, 409, "free_models_disabled", "invalid_request_error"),
    (errors.NoProviderAvailable, 503, "no_provider_available", "api_error"),
    (errors.Unavailable, 503, "unavailable", "api_error"),
    (errors.UpstreamTimeout, 504, "upstream_timeout", "api_error"),
]


@pytest.mark.parametrize(("kind", "status", "code", "type_"), CONTRACT)
def test_a_refusal_says_what_the_contract_says(kind: type[Refusal], status: int, code: str, type_: str) -> None:
    refusal = kind("do this", param="model", provider="p", retry_after=3)
    assert (refusal.status, refusal.code, refusal.type) == (status, code, type_)
    assert (str(refusal), refusal.param, refusal.provider, refusal.retry_after) == ("do this", "model", "p", 3)


def test_every_error_has_a_row_of_its_own_or_of_its_kind() -> None:
    above = {errors.Refusal, errors.VendorRefused, errors.BooksError, errors.ProcessorError, errors.DeliveryError}
    own = set(_below(HarborError)) - above
    assert {kind for kind in own if kind not in HTTP_ERRORS} == {
        *(errors.BoundariesLeaveNobody, errors.TooLargeForRate, errors.Overloaded, errors.QueueFull),
    }
    assert http_error(errors.BoundariesLeaveNobody("")) == HTTP_ERRORS[errors.NoProviderAvailable]
    assert http_error(errors.TooLargeForRate("")) == HTTP_ERRORS[errors.RateLimited]
    assert http_error(errors.Overloaded()) == HTTP_ERRORS[errors.Unavailable]
    assert http_error(errors.QueueFull("")) == HTTP_ERRORS[errors.DatabaseUnavailable]


USE_CASES = [
    (errors.Rejected("no", param="email"), 400, "invalid_request"),
    (errors.Missing("no account"), 404, "not_found"),
    (errors.Conflict("exists"), 409, "conflict"),
    (errors.BooksRefused("too much"), 409, "books_refused"),
    (errors.DatabaseUnavailable("silent"), 503, "unavailable"),
    (errors.Misconfigured("edition"), 500, "misconfigured"),
    (errors.HarborError("?"), 500, "internal_error"),
]


@pytest.mark.parametrize(("error", "status", "code"), USE_CASES)
def test_what_a_use_case_raises_has_its_status(error: HarborError, status: int, code: str) -> None:
    assert http_error(error)[:2] == (status, code)


def test_what_asking_again_cannot_mend_says_so() -> None:
    assert errors.InsufficientQuota("").should_retry is False
    assert errors.BoundariesLeaveNobody("").should_retry is False
    assert errors.FreeModelsDisabled("").should_retry is False
    assert errors.Unavailable("").should_retry is None


def test_a_vendors_refusal_keeps_its_own_words() -> None:
    refusal = errors.VendorRefused("no", status=422, code="bad_tool", type="invalid", param="tools")
    assert (refusal.status, refusal.code, refusal.type, refusal.param) == (422, "bad_tool", "invalid", "tools")


def _below(kind: type[HarborError]) -> Iterator[type[HarborError]]:
    for each in kind.__subclasses__():
        if each.__module__ == errors.__name__:
            yield each
            yield from _below(each)
