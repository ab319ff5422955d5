"""Vendors' failures read, refusals written, and vendors' messages made safe to show."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenharbor.kernel import errors
from tokenharbor.kernel.errors import Refusal, VendorRefused
from tokenharbor.wire import DIALECTS
from tokenharbor.wire.framing.sse import SseFramer
from tokenharbor.wire.neutral.dialect import ModelInPath
from tokenharbor.wire.neutral.failure import Failure, FailureKind
from tokenharbor.wire.neutral.refusal import scrub

OPENAI, ANTHROPIC = "openai_chat", "anthropic_messages"
GEMINI = "gemini"


def failure(dialect: str, status: int, body: object = None, **headers: str) -> Failure:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return DIALECTS[dialect].read_failure(status, lines, raw)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, FailureKind.REQUEST),
        (401, FailureKind.CREDENTIAL),
        (402, FailureKind.CREDENTIAL),
        (403, FailureKind.CREDENTIAL),
        (404, FailureKind.NOT_FOUND),
        (413, FailureKind.REQUEST),
        (422, FailureKind.REQUEST),
        (429, FailureKind.RATE_LIMIT),
        (500, FailureKind.SERVER),
        (502, FailureKind.SERVER),
        (503, FailureKind.SERVER),
        (529, FailureKind.OVERLOADED),
        (302, FailureKind.SERVER),
        (418, FailureKind.SERVER),
    ],
)
def test_the_status_decides_whatever_the_body_is(status: int, kind: FailureKind) -> None:
    bodies = (b"", b"<html>no</html>", b"[]", b'{"error":7}', b"\xff", b"[" * 100_000)
    for dialect, body in itertools.product(DIALECTS, bodies):
        read = failure(dialect, status, body)
        assert (read.kind, read.status) == (kind, status), (dialect, body[:20])


@pytest.mark.parametrize(
    ("dialect", "body", "expected"),
    [
        (
            OPENAI,
            {"error": {"message": "Bad n", "type": "invalid_request_error", "param": "n", "code": "invalid_value"}},
            ("Bad n", "invalid_request_error", "invalid_value", "n"),
        ),
        (OPENAI, {"error": {"message": "Bad", "type": None, "param": None, "code": 400}}, ("Bad", "", "400", None)),
        (OPENAI, {"error": "Bad"}, ("Bad", "", "", None)),
        (
            OPENAI,
            {"object": "error", "message": "Bad", "type": "BadRequest", "code": 400},
            ("Bad", "BadRequest", "400", None),
        ),
        (OPENAI, {"detail": "Bad"}, ("Bad", "", "", None)),
        (
            OPENAI,
            [{"error": {"code": 400, "message": "Bad", "status": "INVALID_ARGUMENT"}}],
            ("Bad", "INVALID_ARGUMENT", "400", None),
        ),
        (
            OPENAI,
            {"detail": [{"loc": ["body", "n"], "msg": "Bad"}, {"msg": "Worse"}]},
            ("body.n: Bad; Worse", "", "", None),
        ),
        (OPENAI, {"errors": [{"message": "Bad", "code": 5006}], "success": False}, ("Bad", "", "", None)),
        (OPENAI, {"error": {"message": {"text": 1, "description": "Bad"}}}, ("Bad", "", "", None)),
        (OPENAI, {"base_resp": {"status_code": 2013, "status_msg": "Bad"}}, ("Bad", "", "", None)),
        (OPENAI, {"code": 20012, "msg": "Bad", "data": None}, ("Bad", "", "20012", None)),
        (OPENAI, b"Bad", ("Bad", "", "", None)),
        (OPENAI, b"<html>Bad</html>", ("", "", "", None)),
        (ANTHROPIC, {"detail": [{"msg": "Bad"}]}, ("Bad", "", "", None)),
        (GEMINI, {"errors": ["Bad"]}, ("Bad", "", "", None)),
        (OPENAI, [], ("", "", "", None)),
        (
            ANTHROPIC,
            {"type": "error", "error": {"type": "invalid_request_error", "message": "Bad"}, "request_id": "req_1"},
            ("Bad", "invalid_request_error", "", None),
        ),
        (ANTHROPIC, {"error": "Bad"}, ("Bad", "", "", None)),
        (ANTHROPIC, {"message": "Bad", "code": 1210}, ("Bad", "", "1210", None)),
    ],
)
def test_the_vendors_words_are_kept(dialect: str, body: object, expected: tuple[Any, ...]) -> None:
    read = failure(dialect, 400, body)
    assert (read.message, read.type, read.code, read.param) == expected


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("context_length_exceeded", "no"),
        (None, "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens."),
        (None, "prompt is too long: 210000 tokens > 200000 maximum"),
        (None, "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"),
        (None, "Range of input length should be [1, 129024]"),
        (None, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
        (None, "Invalid request: Your request exceeded model token limit: 8192"),
    ],
)
def test_an_input_too_long_is_recognised(code: str | None, message: str) -> None:
    body = {"error": {"message": message, "code": code}}
    expected = {400: FailureKind.CONTEXT, 413: FailureKind.CONTEXT, 500: FailureKind.SERVER}
    for dialect in DIALECTS:
        assert {status: failure(dialect, status, body).kind for status in expected} == expected, dialect


@pytest.mark.parametrize("message", ["max_tokens is too large: 99999", "`context` is an unknown field", "Invalid tool"])
def test_other_refusals_are_not_taken_for_it(message: str) -> None:
    assert failure(OPENAI, 400, {"error": {"message": message}}).kind is FailureKind.REQUEST


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (429, "insufficient_quota", "You exceeded your current quota, please check your plan and billing details."),
        (400, None, "Your credit balance is too low to access the API. Please go to Plans & Billing."),
        (400, None, "API key not valid. Please pass a valid API key."),
        (400, "Arrearage", "Access denied, please make sure your account is in good standing."),
    ],
)
def test_what_is_our_own_accounts_fault_is_not_the_callers(
    dialect: str, status: int, code: str | None, message: str
) -> None:
    assert failure(dialect, status, {"error": {"message": message, "code": code}}).kind is FailureKind.CREDENTIAL


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_callers_own_words_blame_no_credential(dialect: str) -> None:
    echo = "Invalid value for `stop`: 'Your credit balance is too low. API key not valid.'"
    assert failure(dialect, 400, {"error": {"message": echo}}).kind is FailureKind.REQUEST
    assert failure(dialect, 429, {"error": {"message": "Slow down", "code": "rate_limit_exceeded"}}).kind is (
        FailureKind.RATE_LIMIT
    )


NOW = "Wed, 21 Oct 2026 07:28:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry_after": "7"}, 7),
        ({"retry_after": "0"}, 0),
        ({"retry_after": " 12 "}, 12),
        ({"retry_after": "1.2"}, 2),
        ({"retry_after": "3.0"}, 3),
        ({"retry_after_ms": "1500", "retry_after": "9"}, 2),
        ({"retry_after": "-5"}, None),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "9" * 30}, None),
        ({"retry_after": "999999"}, None),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": NOW}, 30),
        ({"retry_after": "Wed, 21 Oct 2026 07:27:00 GMT", "date": NOW}, 0),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        ({"retry_after": "Wed, 21 Oct", "date": NOW}, None),
    ],
)
def test_the_waiting_time_is_read_in_whole_seconds(headers: dict[str, str], seconds: int | None) -> None:
    read = {dialect: failure(dialect, 429, {}, **headers).retry_after for dialect in DIALECTS}
    assert read == dict.fromkeys(DIALECTS, seconds)


def refusals() -> list[Refusal]:
    """Return each kind of refusal that a caller may get."""
    made: list[Refusal] = [
        kind("Do this next.", param="n", provider="p")
        for kind in (
            errors.InvalidRequest,
            errors.ContextLengthExceeded,
            errors.InvalidApiKey,
            errors.InsufficientQuota,
            errors.PermissionDenied,
            errors.NotFound,
            errors.ModelNotFound,
            errors.MethodNotAllowed,
            errors.RequestTooLarge,
            errors.UnsupportedEncoding,
            errors.UpgradeRequired,
            errors.RateLimited,
            errors.UpstreamError,
            errors.NoProviderAvailable,
            errors.Unavailable,
            errors.UpstreamTimeout,
        )
    ]
    return [*made, VendorRefused("Theirs.", status=422, code="odd", type="their_error", param="n")]


@pytest.mark.parametrize("refusal", refusals(), ids=lambda refusal: refusal.code)
def test_a_refusal_in_openais_shape(refusal: Refusal) -> None:
    body = json.loads(DIALECTS[OPENAI].write_refusal(refusal, "req_1"))
    expected = {"message": refusal.message, "type": refusal.type, "code": refusal.code, "param": "n"}
    if refusal.provider:
        expected["provider"] = "p"
    assert body == {"error": expected}


def test_a_refusal_without_a_field_says_null() -> None:
    body = json.loads(DIALECTS[OPENAI].write_refusal(errors.Unavailable("Later."), "req_1"))
    assert body["error"]["param"] is None
    assert "provider" not in body["error"]


@pytest.mark.parametrize("refusal", refusals(), ids=lambda refusal: refusal.code)
def test_a_refusal_in_anthropics_shape(refusal: Refusal) -> None:
    body = json.loads(DIALECTS[ANTHROPIC].write_refusal(refusal, "req_1"))
    assert (body["type"], body["request_id"]) == ("error", "req_1")
    error = body["error"]
    assert (error["message"], error["code"], error["param"]) == (refusal.message, refusal.code, "n")
    assert error["type"] in {
        "invalid_request_error",
        "authentication_error",
        "billing_error",
        "permission_error",
        "not_found_error",
        "rate_limit_error",
        "api_error",
    }


@pytest.mark.parametrize(
    ("refusal", "type_"),
    [
        (errors.InsufficientQuota(""), "billing_error"),
        (errors.ModelNotFound(""), "not_found_error"),
        (errors.NotFound(""), "not_found_error"),
        (errors.InvalidApiKey(""), "authentication_error"),
        (errors.RateLimited(""), "rate_limit_error"),
        (errors.UpstreamTimeout(""), "api_error"),
        (VendorRefused("", status=400, code="", type="billing_error"), "billing_error"),
        (VendorRefused("", status=413, code="", type="strange"), "request_too_large"),
        (VendorRefused("", status=422, code="", type=""), "invalid_request_error"),
    ],
)
def test_the_types_that_anthropics_clients_know(refusal: Refusal, type_: str) -> None:
    assert json.loads(DIALECTS[ANTHROPIC].write_refusal(refusal, "req_1"))["error"]["type"] == type_


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_refusal_in_a_stream_is_its_error_event_and_no_success(dialect: str) -> None:
    refusal = errors.UpstreamError("Broke off.\nTry again.", provider="p")
    wire = DIALECTS[dialect]
    written = wire.write_stream_refusal(refusal, "req_1")
    (name, data, _), *_ = SseFramer().feed(written)
    assert name == (b"" if dialect in (OPENAI, GEMINI) else b"error")
    assert data is not None
    said, whole = json.loads(data), json.loads(wire.write_refusal(refusal, "req_1"))
    assert said["error"] == whole["error"]
    request = wire.read_request(
        b'{"model":"m","messages":[],"input":[],"contents":[],"max_tokens":1}', ModelInPath("m", stream=True)
    )
    splicer = wire.splice(request, hide_usage=False)
    assert splicer.feed(written) == b""
    assert splicer.failure is not None
    assert not splicer.complete


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (errors.UpstreamError("Broke off."), "server_error"),
        (errors.Unavailable("Broke off."), "server_error"),
        (errors.RateLimited("Broke off."), "rate_limit_exceeded"),
        (errors.ContextLengthExceeded("Broke off."), "context_length_exceeded"),
        (errors.InsufficientQuota("Broke off."), "insufficient_quota"),
        (errors.InvalidRequest("Broke off."), "invalid_prompt"),
    ],
)
def test_codex_is_told_in_a_failed_answer_whether_asking_again_may_help(refusal: Refusal, code: str) -> None:
    _, (name, data, _) = SseFramer().feed(DIALECTS["openai_responses"].write_stream_refusal(refusal, "req_1"))
    assert (name, data is not None) == (b"response.failed", True)
    response = json.loads(data or b"")["response"]
    assert (response["status"], response["id"]) == ("failed", "resp_req_1")
    assert response["error"] == {"code": code, "message": "Broke off."}


def test_an_empty_purse_has_the_status_at_which_each_dialects_clients_stop() -> None:
    broke, other = errors.InsufficientQuota("Top up."), errors.UpstreamError("Later.")
    assert {dialect: wire.status_of(broke) for dialect, wire in DIALECTS.items()} == {
        dialect: 429 if dialect == "openai_responses" else 402 for dialect in DIALECTS
    }
    assert {wire.status_of(other) for wire in DIALECTS.values()} == {502}


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcDEF1234567890",
        "sk-ant-api03-xyz_XYZ-123",
        "Bearer abcdef123456",
        "thk_live_0123456789abcdefghijklmnopqrstuv",
        "AIzaSyA-1234567890abcdef",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig",
        "org-AbC123dEf456",
        "proj_9fT2kLm0Qw",
        "https://internal.example.com/v1/chat?key=1",
        "http://10.0.0.7:8000/v1",
        "10.12.0.99:8443",
        "localhost:9101",
        "vllm-7.prod.svc.cluster.local:8000",
        "gateway.internal",
        "upstream.example.com:8443",
        "[fd00:12:34::7]:8080",
        "/srv/app/engine/worker.py, line 88",
        "C:\\srv\\engine\\worker.py",
        "ops@example.com",
        "0123456789abcdef0123456789abcdef",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    ],
)
def test_secrets_addresses_and_hosts_are_scrubbed(secret: str) -> None:
    for frame in ("Refused {} today", "({}): refused", '"{}" was refused', "refused: {}", "{}"):
        shown = scrub(frame.format(secret))
        assert secret not in shown, frame
        assert not any(piece in shown for piece in secret.split() if len(piece) > 8), frame
        assert "efused" in shown or frame == "{}", frame


def test_no_traceback_and_no_file_is_shown() -> None:
    said = 'Bad n\nTraceback (most recent call last):\n  File "app.py", line 3, in run\n    boom()\nKeyError: 1'
    assert scrub(said) == "Bad n\n[…]"
    assert scrub('at File "<string>", line 12') == "at [path]"
    assert scrub("in /engine.py and /srv/app.yaml") == "in [path] and [path]"


@pytest.mark.parametrize(
    "text", ["Incorrect API key provided: sk-ab***yz.", 'api_key="hunter2hunter2"', "password: Tr0ub4dor"]
)
def test_a_key_that_is_named_is_scrubbed(text: str) -> None:
    shown = scrub(text)
    assert "[secret]" in shown
    assert not any(word in shown for word in ("ab***yz", "hunter2", "Tr0ub4dor"))


@pytest.mark.parametrize(
    "text",
    [
        "Invalid value: 'messages[0].content': expected a string, got an object.",
        "max_tokens: 64000 > 8192, which is the maximum allowed number of output tokens for claude-3-haiku-20240307",
        "This model's maximum context length is 128000 tokens.",
        "tools.0.custom.input_schema: JSON schema is invalid. It must match draft 2020-12",
        "The API key is required and/or the model `gpt-5.1-2025-11-13` does not exist.",
        "temperature must be between 0 and 2; use basic settings such as 0.7, e.g. top_p/top_k.",
        "messages: at least one message is required at 12:30:45",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert scrub(text) == text


@pytest.mark.parametrize("run", ["a.", "a-", "x@", "/a", "1:", "a"])
def test_a_run_that_is_no_word_is_left_out(run: str) -> None:
    assert scrub(f"Refused: {run * 3_000}") == "Refused: […]"


@given(st.text(max_size=300))
def test_scrubbing_twice_changes_nothing_more(text: str) -> None:
    assert scrub(scrub(text)) == scrub(text)


def test_long_words_are_cut() -> None:
    assert len(scrub("no " * 5_000)) == 2_000
