"""Failures by cause: a provider's error about our account or the model moves on to the next endpoint, others do not."""

import json
from typing import Any

import pytest
from tests.gateway.across import CLIENTS, ask
from tests.gateway.house import House
from tests.gateway.raw import RawAnswer

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHAT, RESPONSES, MESSAGES, GEMINI = "openai_chat", "openai_responses", "anthropic_messages", "gemini"
UNTOUCHED = ("100.000000000", "0.000000000")


def status(status: int, body: Any) -> str:
    return f"kind = 'status', status = {status}, body = '''{json.dumps(body)}'''"


def openai(message: str, code: Any = None, type_: str | None = None) -> Any:
    return {"error": {"message": message, "type": type_, "param": None, "code": code}}


def anthropic(message: str, type_: str = "invalid_request_error") -> Any:
    return {"type": "error", "error": {"type": type_, "message": message}}


def google(status: int, message: str, word: str, reason: str | None = None) -> Any:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}] if reason else []
    return {"error": {"code": status, "message": message, "status": word, "details": details}}


OURS: list[tuple[str, int, Any]] = [
    (
        MESSAGES,
        400,
        anthropic("You have reached your specified API usage limits. You will regain access on 2026-12-01"),
    ),
    (MESSAGES, 400, anthropic("This organization has been disabled.")),
    (MESSAGES, 400, anthropic("Your credit balance is too low to access the Anthropic API.")),
    (MESSAGES, 429, {"type": "error", "error": {"type": "1113", "message": "Insufficient balance. Please recharge."}}),
    (MESSAGES, 400, {"error": {"code": "1112", "message": "The account has been locked"}}),
    (GEMINI, 400, google(400, "User location is not supported for the API use.", "FAILED_PRECONDITION")),
    (GEMINI, 400, google(400, "API key not valid. Please pass one.", "INVALID_ARGUMENT", "API_KEY_INVALID")),
    (GEMINI, 400, google(400, "API key expired. Please renew the API key.", "INVALID_ARGUMENT")),
    (CHAT, 400, [google(400, "User location is not supported for the API use.", "FAILED_PRECONDITION")]),
    (CHAT, 429, openai("You exceeded your current quota, please check your plan.", "insufficient_quota")),
    (CHAT, 429, openai("Billing hard limit has been reached", "billing_hard_limit_reached")),
    (CHAT, 400, openai("Billing hard limit has been reached")),
    (CHAT, 400, openai("Your organization must be verified to stream this model.", "unsupported_value")),
    (CHAT, 429, openai("Insufficient balance or no resource package. Please recharge.", "1113")),
    (CHAT, 429, openai("余额不足", 1113)),
    (CHAT, 429, openai("Your account u-1 <ak-2> is suspended, check your plan", None, "exceeded_current_quota_error")),
    (CHAT, 400, openai("Access denied, please make sure your account is in good standing.", "Arrearage")),
    (CHAT, 400, openai("Access to model denied.", "AccessDenied.Unpurchased")),
    (CHAT, 422, openai("No.", None, "authentication_error")),
    (RESPONSES, 429, openai("You exceeded your current quota", "insufficient_quota")),
    (CHAT, 400, openai("账户余额不足")),
    (CHAT, 400, openai("Overdue.", "AccountOverdueError")),
    (CHAT, 400, openai("Credit balance is too low")),
    (CHAT, 400, openai("This API key has been disabled")),
    (CHAT, 400, openai("Organization has been restricted. Please reach out to support.", "organization_restricted")),
    (MESSAGES, 400, anthropic("This workspace has been archived")),
    (MESSAGES, 400, anthropic("Your account is not allowed in this region")),
    (CHAT, 400, openai("Account has been suspended.")),
    (RESPONSES, 400, openai("Account deactivated: contact support", "invalid_request")),
    (MESSAGES, 400, anthropic("Trial has expired")),
    (CHAT, 400, openai("Your free trial has expired.")),
    (GEMINI, 400, google(400, "Workspace has been archived.", "INVALID_ARGUMENT")),
    (MESSAGES, 400, anthropic("This credential is only authorized for use with one client.")),
    (RESPONSES, 400, openai("Your account is not active, please check your billing details.", "billing_not_active")),
]

UNKNOWN: list[tuple[str, int, Any]] = [
    (CHAT, 400, openai("The model `upstream-secret` does not exist or you do not have access.", "model_not_found")),
    (CHAT, 400, openai("Model Not Exist", "invalid_request_error", "invalid_request_error")),
    (CHAT, 400, openai("Unknown Model, please check the model code.", "1211")),
    (CHAT, 400, openai("<400> InternalError.Algo.InvalidParameter: Model not exist.", "InvalidParameter")),
    (CHAT, 400, {"error": 'model "upstream-secret" not found, try pulling it first'}),
    (CHAT, 422, {"object": "error", "message": "Invalid model: upstream-secret", "type": "invalid_model"}),
    (CHAT, 400, openai("upstream-secret is not a valid model ID", 400)),
    (CHAT, 400, openai("Unsupported model: upstream-secret")),
    (CHAT, 400, openai("Model upstream-secret is not supported.")),
    (RESPONSES, 400, openai("The requested model 'upstream-secret' does not exist.", "model_not_found")),
    (MESSAGES, 404, anthropic("model: upstream-secret", "not_found_error")),
    (MESSAGES, 400, anthropic("model: upstream-secret", "not_found_error")),
    (MESSAGES, 400, {"error": {"code": "1211", "message": "模型不存在，请检查模型代码。"}}),
    (GEMINI, 404, google(404, "models/upstream-secret is not found for API version v1beta", "NOT_FOUND")),
    (GEMINI, 400, google(400, "models/upstream-secret is not found", "INVALID_ARGUMENT")),
]


async def tried(house: House, said: RawAnswer) -> list[tuple[str, str]]:
    receipt = await house.receipt(said.headers["x-request-id"])
    return [(attempt["provider"], attempt["outcome"]) for attempt in receipt["attempts"]]


def cooling(house: House, endpoint: str) -> float:
    return house.parts.health._cooling_until[endpoint] - house.parts.world.clock.monotonic()


async def check_next(house: House, dialect: str, fault: str, outcome: str) -> None:
    """Beta answers; with alpha alone the caller hears of a 502 and nothing of what alpha said."""
    for stream in (False, True):
        house.parts.health._cooling_until.clear()
        house.fail(fault)
        said = await ask(house, dialect, "duo", stream=stream)
        assert (said.status, said.headers["x-tokenharbor-provider"]) == (200, "beta"), fault
        assert await tried(house, said) == [("alpha", outcome), ("beta", "ok")], fault
        assert cooling(house, f"alpha/duo:{dialect}") > 30, fault
    before = await house.money()
    said = await ask(house, dialect, "solo", stream=True)
    assert (said.status, CLIENTS[dialect].code(said)) == (502, "upstream_error"), fault
    for word in (b"limit", b"organi", b"balance", b"location", b"quota", b"key", b"secret", b"plan", b"1113", b"1211"):
        assert word not in said.body.lower(), (fault, said.body)
    assert await house.money() == before


async def test_R3_the_faults_of_our_own_account_lead_to_the_next(house: House) -> None:
    for dialect, code, body in OURS:
        await check_next(house, dialect, status(code, body), "credential")


async def test_R3_said_inside_a_200_they_lead_to_the_next_too(house: House) -> None:
    for body in (openai("No.", "insufficient_quota"), openai("No.", "1113"), openai("Your credit balance is too low")):
        text = json.dumps(body)
        for fault in (f"kind = 'body', body = '''{text}'''", f"kind = 'body', body = '''data: {text}\n\n'''"):
            house.fail(fault)
            said = await ask(house, CHAT, "duo", stream="data" in fault)
            assert await tried(house, said) == [("alpha", "credential"), ("beta", "ok")], fault
            house.parts.health._cooling_until.clear()


async def test_R3_a_callers_own_words_blame_nobody_else(house: House) -> None:
    for message in (
        "Invalid value for `stop`: 'This organization has been disabled.'",
        "messages.0: 'Your credit balance is too low'",
        "Unsupported value: 'model gpt not found'",
        "The model does not support tools: the function 'x' was not found",
        "This model doesn't support `effort`; the value low is not available",
        "Invalid value: 'account has been suspended'",
        "tools[0]: the trial has expired",
        "accounts have been suspended by `f`",
    ):
        house.fail(status(400, openai(message, "invalid_value", "invalid_request_error")))
        said = await ask(house, CHAT, "duo", stream=False)
        assert (said.status, said.error["code"]) == (400, "invalid_value")
    assert await house.money() == UNTOUCHED


async def test_R3_a_limit_of_requests_is_still_one(house: House) -> None:
    for dialect, body in (
        (CHAT, openai("Rate limit reached for requests", "rate_limit_exceeded", "requests")),
        (MESSAGES, anthropic("This request would exceed your organization's rate limit", "rate_limit_error")),
        (GEMINI, google(429, "You exceeded your current quota, please check your plan.", "RESOURCE_EXHAUSTED")),
        (CHAT, openai("No.", None, "invalid_request_error")),
    ):
        house.fail(status(429, body))
        said = await ask(house, dialect, "duo", stream=False)
        assert await tried(house, said) == [("alpha", "rate_limit"), ("beta", "ok")], body
        house.parts.health._cooling_until.clear()


async def test_R4_an_unknown_model_leads_to_the_next_whatever_its_status(house: House) -> None:
    for dialect, code, body in UNKNOWN:
        await check_next(house, dialect, status(code, body), "not_found")


async def test_R4_a_model_that_cannot_do_it_is_the_requests_fault(house: House) -> None:
    for message in (
        "The model `m` does not support tools.",
        "Model m requires `max_tokens`.",
        "tool 'model' not found",
    ):
        house.fail(status(400, openai(message, None, "invalid_request_error")))
        said = await ask(house, CHAT, "duo", stream=False)
        assert said.status == 400, message


async def test_R4_across_dialects_too(house: House) -> None:
    for wire, body in ((MESSAGES, anthropic("model: x", "not_found_error")), (CHAT, openai("Model Not Exist"))):
        house.script(f"[[rules]]\nmatch = {{ path = '/far_{wire}/*' }}\nfault = {{ {status(400, body)} }}\n")
        said = await ask(house, RESPONSES, f"only-{wire}", stream=False)
        assert (said.status, said.error["code"]) == (502, "upstream_error")
        assert await tried(house, said) == [(f"far_{wire}", "not_found")]


# ---- what callers hear of our own refusals


async def test_C3_an_unknown_model_has_each_dialects_own_type(house: House) -> None:
    said = await ask(house, MESSAGES, "no-such-model", stream=False)
    error = said.error
    assert (said.status, error["type"], error["code"]) == (404, "not_found_error", "model_not_found")
    for dialect in (CHAT, RESPONSES):
        said = await ask(house, dialect, "no-such-model", stream=False)
        assert (said.status, said.error["type"]) == (404, "invalid_request_error")
        assert said.error["code"] == "model_not_found"
    said = await ask(house, GEMINI, "no-such-model", stream=False)
    assert (said.status, said.error["status"]) == (404, "NOT_FOUND")
    assert CLIENTS[GEMINI].code(said) == "model_not_found"


async def test_C3_an_empty_wallet_and_a_bad_key_have_anthropics_types(house: House) -> None:
    payer = await house.new_payer("0")
    said = await ask_with(house, payer.key)
    assert (said.status, said.error["type"], said.error["code"]) == (402, "billing_error", "insufficient_quota")
    said = await ask_with(house, f"thk_live_{'x' * 32}")
    assert (said.status, said.error["type"]) == (401, "authentication_error")


async def ask_with(house: House, key: str) -> RawAnswer:
    client = CLIENTS[MESSAGES]
    return await house.post(client.path("solo", False), client.body("solo", False), {"x-api-key": key})


async def test_C3_every_provider_busy_or_late_in_anthropics_types(house: House) -> None:
    for code, type_ in ((429, "rate_limit_error"), (529, "rate_limit_error"), (500, "api_error"), (504, "api_error")):
        house.fail(f"kind = 'status', status = {code}")
        said = await ask(house, MESSAGES, "solo", stream=False)
        assert said.error["type"] == type_


# ---- a filter's code


async def test_a_filters_code_reaches_clients_of_every_dialect(house: House) -> None:
    body = openai("The response was filtered.", "content_filter", "invalid_request_error")
    for dialect, client in CLIENTS.items():
        house.script(f"[[rules]]\nfault = {{ {status(400, body)} }}\n")
        said = await ask(house, dialect, f"only-{CHAT}", stream=True)
        assert (said.status, client.code(said)) == (400, "content_filter"), dialect


async def test_a_filters_code_in_a_responses_stream_that_has_begun(house: House) -> None:
    house.fail("kind = 'error_event', status = 400, code = 'content_filter', after_content = 2")
    said = await ask(house, RESPONSES, "solo", stream=True)
    failed = said.data[-1]
    assert (failed["type"], failed["response"]["error"]["code"]) == ("response.failed", "content_filter")


async def test_a_ping_among_chunks_is_none(house: House) -> None:
    for wanted in (CHAT, MESSAGES):
        chunk = '{"id":'
        house.script(
            "[answer]\ntext = 'one two'\n[[rules]]\nfault = { kind = 'altered', "
            f'old = \'data: {chunk}\', new = "data: {{\\"type\\":\\"ping\\"}}\\n\\ndata: {{\\"id\\":" }}\n'
        )
        said = await ask(house, wanted, f"only-{CHAT}", stream=True)
        assert CLIENTS[wanted].text(said) == "one two"
        assert CLIENTS[wanted].finished(said)
