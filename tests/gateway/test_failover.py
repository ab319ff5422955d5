"""Failover: the order of attempts, their traces in headers and receipts, and that failed attempts are never billed."""

import json
from typing import Any

import pytest
from tests.gateway.house import VENDORS, House, credential_of
from tests.gateway.raw import RawAnswer

from tokenharbor.editions.files import edition_names
from tokenharbor.kernel.money import Usd

pytestmark = pytest.mark.asyncio(loop_scope="session")

DIALECTS = pytest.mark.parametrize("dialect", ["chat", "message"])
STREAM = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
EITHER = pytest.mark.parametrize(("dialect", "stream"), [("chat", True), ("message", False)])
"""Where neither changes what is decided, one of each will do."""
UNTOUCHED = ("100.000000000", "0.000000000")

NEXT = {
    "closed": ("kind = 'refuse'", "broken"),
    "401": ("kind = 'status', status = 401", "credential"),
    "402": ("kind = 'status', status = 402", "credential"),
    "403": ("kind = 'status', status = 403", "credential"),
    "404": ("kind = 'status', status = 404", "not_found"),
    "429": ("kind = 'status', status = 429", "rate_limit"),
    "500": ("kind = 'status', status = 500", "server"),
    "503": ("kind = 'status', status = 503", "server"),
    "504": ("kind = 'status', status = 504", "timeout"),
    "529": ("kind = 'status', status = 529", "overloaded"),
    "html": ("kind = 'garbage'", "garbage"),
    "error first": ("kind = 'error_event', status = 529, after_events = 0", "overloaded"),
    "cut short": ("kind = 'break', after_events = 0", "broken"),
}
"""A vendor's faults after which the next one is tried, and what the receipt calls them."""

FINAL = {
    "400": ("kind = 'status', status = 400", 400, "request"),
    "413": ("kind = 'status', status = 413", 413, "request"),
    "422": ("kind = 'status', status = 422", 422, "request"),
    "context": ("kind = 'status', status = 400, message = 'prompt is too long: 9 tokens'", 400, "context"),
}


async def ask(house: House, dialect: str, model: str = "duo", **more: Any) -> RawAnswer:
    said: RawAnswer = await {"chat": house.chat, "message": house.message}[dialect](model, **more)
    return said


async def receipt_of(house: House, said: RawAnswer) -> Any:
    return await house.receipt(said.headers["x-request-id"])


def tried(receipt: Any) -> list[tuple[str, str]]:
    return [(attempt["provider"], attempt["outcome"]) for attempt in receipt["attempts"]]


@DIALECTS
@STREAM
@pytest.mark.parametrize(("fault", "outcome"), NEXT.values(), ids=NEXT)
async def test_a_fault_of_the_vendors_leads_to_the_next(
    house: House, dialect: str, stream: bool, fault: str, outcome: str
) -> None:
    house.fail(fault)
    said = await ask(house, dialect, stream=stream)
    assert (said.status, said.ended) == (200, "complete")
    assert (said.headers["x-tokenharbor-provider"], said.headers["x-tokenharbor-attempts"]) == ("beta", "2")
    assert await house.called() == ["alpha", "beta"]
    receipt = await receipt_of(house, said)
    assert tried(receipt) == [("alpha", outcome), ("beta", "ok")]
    assert (receipt["status"], receipt["provider"], receipt["upstream_model"]) == ("complete", "beta", "beta-duo")
    await check_bill(house, receipt)


@DIALECTS
@STREAM
async def test_whom_nobody_reaches_leads_to_the_next_too(house: House, dialect: str, stream: bool) -> None:
    said = await ask(house, dialect, "last-resort", stream=stream)
    assert (said.status, said.headers["x-tokenharbor-attempts"]) == (200, "3")
    assert tried(await receipt_of(house, said)) == [("dead", "connect"), ("quick_connect", "timeout"), ("alpha", "ok")]


async def check_bill(house: House, receipt: Any) -> None:
    """What beta reported, at beta's price, to the nano; and nothing of what others cost."""
    served = (await house.seen())[-1].usage
    assert served is not None
    cost = Usd(served.input * 2_000 + served.output * 4_000)
    assert Usd.parse(receipt["cost_usd"]) == cost > 0
    assert await house.money() == (str(Usd(Usd.parse("100") - cost)), "0.000000000")


@DIALECTS
@STREAM
@pytest.mark.parametrize(("fault", "status", "outcome"), FINAL.values(), ids=FINAL)
async def test_a_refusal_of_the_request_itself_is_final(
    house: House, dialect: str, stream: bool, fault: str, status: int, outcome: str
) -> None:
    house.fail(fault)
    said = await ask(house, dialect, stream=stream)
    assert said.status == status
    assert await house.called() == ["alpha"]
    assert said.headers["x-tokenharbor-attempts"] == "1"
    assert tried(await receipt_of(house, said)) == [("alpha", outcome)]
    assert await house.money() == UNTOUCHED


@DIALECTS
async def test_after_the_first_content_nobody_else_answers(house: House, dialect: str) -> None:
    house.fail("kind = 'break', after_content = 1")
    said = await ask(house, dialect, stream=True)
    assert (said.status, said.data[-1]["error"]["provider"]) == (200, "alpha")
    assert await house.called() == ["alpha"]


# What callers hear when all fail


def busy(status: int, wait: int | None = None) -> str:
    return f"kind = 'status', status = {status}" + ("" if wait is None else f", retry_after = {wait}")


@EITHER
@pytest.mark.parametrize(
    ("faults", "wait"),
    [
        ((busy(429, 30), busy(529, 7)), 7),
        ((busy(429, 7), busy(429, 30)), 7),
        ((busy(529), busy(429, 9)), 9),
        ((busy(429), busy(529)), 1),
        ((busy(429, 0), busy(529)), 1),
    ],
)
async def test_when_all_are_busy_it_is_a_429_with_the_smallest_wait(
    house: House, dialect: str, stream: bool, faults: tuple[str, str], wait: int
) -> None:
    house.fail(*faults)
    said = await ask(house, dialect, stream=stream)
    assert (said.status, said.error["code"], said.error["type"]) == (429, "rate_limit_exceeded", "rate_limit_error")
    assert said.headers["retry-after"] == str(wait)
    assert await house.called() == ["alpha", "beta"]
    assert await house.money() == UNTOUCHED


@EITHER
@pytest.mark.parametrize(
    ("faults", "status", "provider"),
    [
        ((busy(500), busy(429, 5)), 502, "alpha"),
        ((busy(429, 5), busy(500)), 502, "beta"),
        ((busy(503, 5), busy(429, 5)), 502, "alpha"),
        ((busy(500), busy(504)), 504, "beta"),
        ((busy(504), busy(401)), 502, "beta"),
    ],
)
async def test_when_all_fail_the_last_to_blame_is_named(
    house: House, dialect: str, stream: bool, faults: tuple[str, str], status: int, provider: str
) -> None:
    house.fail(*faults)
    said = await ask(house, dialect, stream=stream)
    code = {502: "upstream_error", 504: "upstream_timeout"}[status]
    assert (said.status, said.error["code"], said.error["type"]) == (status, code, "api_error")
    assert said.error["provider"] == provider
    assert provider in said.error["message"]
    assert said.headers["x-tokenharbor-attempts"] == "2"
    assert await house.money() == UNTOUCHED


@DIALECTS
@pytest.mark.parametrize("status", [401, 402, 403, 404])
async def test_our_own_credentials_fault_is_never_told_in_the_vendors_words(
    house: House, dialect: str, status: int
) -> None:
    words = f"Incorrect API key provided: {credential_of('alpha')}. Pay your bill at https://vendor.example/billing"
    house.fail(*[f"kind = 'status', status = {status}, message = '{words}', code = 'bad_key'"] * 2)
    said = await ask(house, dialect)
    assert (said.status, said.error["code"], said.error["provider"]) == (502, "upstream_error", "beta")
    for secret in (b"Incorrect", b"vendor-secret", b"vendor.example", b"bad_key", b"bill at"):
        assert secret not in said.body


@DIALECTS
@STREAM
async def test_a_vendors_words_are_scrubbed_of_what_is_ours(house: House, dialect: str, stream: bool) -> None:
    secrets = [
        credential_of("alpha"),
        "sk-abcdef123456",
        "https://inner.example/x?key=1",
        "10.1.2.3",
        "/srv/app/a/b.py",
    ]
    words = f"seed is not a number ({', '.join(secrets)})"
    house.fail(f"kind = 'status', status = 400, message = '{words}', code = '{secrets[1]}', param = '{secrets[0]}'")
    said = await ask(house, dialect, stream=stream)
    assert said.status == 400
    assert said.error["message"].startswith("seed is not a number")
    for secret in secrets:
        assert secret.encode() not in said.body


# Boundaries


def rules(where: str, **provider: Any) -> dict[str, Any]:
    if where == "body":
        return {"provider": provider}
    return {"headers": {"x-tokenharbor-provider": json.dumps(provider)}}


WHERE = pytest.mark.parametrize(("dialect", "where"), [("chat", "body"), ("message", "header")])


@WHERE
@pytest.mark.parametrize(
    ("provider", "route"),
    [
        ({"only": ["beta"]}, ["beta"]),
        ({"only": ["gamma", "delta"]}, ["gamma", "delta"]),
        ({"ignore": ["alpha"]}, ["beta", "gamma", "delta"]),
        ({"order": ["delta", "beta"]}, ["delta", "beta", "alpha"]),
        ({"only": ["alpha", "beta", "gamma"], "ignore": ["alpha"], "order": ["gamma"]}, ["gamma", "beta"]),
        ({"region": "eu"}, ["alpha"]),
        ({"region": "us"}, ["beta"]),
        ({"retention": "none"}, ["alpha"]),
        ({"retention": "days:30"}, ["alpha", "beta"]),
        ({"max_price": {"input": "2.00"}}, ["alpha", "beta"]),
        ({"max_price": {"output": "7.99"}}, ["alpha", "beta", "gamma"]),
        ({"sort": "price"}, ["alpha", "beta", "gamma"]),
    ],
)
async def test_routing_stays_within_the_requests_boundaries(
    house: House, dialect: str, where: str, provider: dict[str, Any], route: list[str]
) -> None:
    house.fail(*[busy(500)] * 4)
    said = await ask(house, dialect, "quad", **rules(where, **provider))
    assert said.status == 502
    assert await house.called() == route, "all of them fail, and nobody else is tried"


@DIALECTS
async def test_a_pin_is_a_boundary(house: House, dialect: str) -> None:
    said = await ask(house, dialect, "beta/duo")
    assert (said.status, said.headers["x-tokenharbor-provider"]) == (200, "beta")
    house.fail("", busy(500))
    said = await ask(house, dialect, "beta/duo")
    assert (said.status, said.error["provider"]) == (502, "beta")
    assert await house.called() == ["beta", "beta"]
    said = await ask(house, dialect, "beta/duo", provider={"only": ["alpha"]})
    assert (said.status, said.error["param"]) == (400, "provider")


@WHERE
@pytest.mark.parametrize(
    "provider",
    [
        {"only": ["nobody"]},
        {"ignore": ["alpha", "beta"]},
        {"only": ["alpha"], "region": "us"},
        {"max_price": {"input": "0.50"}},
        {"retention": "none", "ignore": ["alpha"]},
    ],
)
async def test_boundaries_that_leave_nobody_say_so_and_no_retry_helps(
    house: House, dialect: str, where: str, provider: dict[str, Any]
) -> None:
    said = await ask(house, dialect, **rules(where, **provider))
    assert (said.status, said.error["code"]) == (503, "no_provider_available")
    assert said.headers["x-should-retry"] == "false"
    assert "alpha" in said.error["message"]
    assert "x-tokenharbor-provider" not in said.headers, "there was no route"
    assert await house.called() == []
    assert await house.money() == UNTOUCHED


@DIALECTS
@pytest.mark.parametrize(
    "header",
    [
        "alpha",
        "{",
        "[]",
        '{"only":"alpha"}',
        '{"onyl":["alpha"]}',
        '{"only":["\xff"]}',
        '{"max_price":{"input":-0.5}}',
        '{"max_price":{"input":"-1"}}',
        '{"retention":"days:x"}',
        '{"sort":"random"}',
        "[" * 5_000,
    ],
)
async def test_rules_that_cannot_be_read_are_refused(house: House, dialect: str, header: str) -> None:
    said = await ask(house, dialect, headers={"x-tokenharbor-provider": header})
    assert (said.status, said.error["code"]) == (400, "invalid_request")
    assert "provider" in said.error["param"]
    assert await house.called() == []


async def test_rules_come_in_the_body_or_the_header_and_not_in_both(house: House) -> None:
    said = await ask(house, "chat", **rules("header", only=["alpha"]), provider={"only": ["alpha"]})
    assert (said.status, said.error["param"]) == (400, "provider")


# Editions


@EITHER
@pytest.mark.parametrize("edition", edition_names())
async def test_an_edition_says_how_many_are_tried(house: House, dialect: str, stream: bool, edition: str) -> None:
    most = 1 if edition == "token-hub" else 3
    house.use_edition(edition)
    house.fail(*[busy(500)] * 4)
    said = await ask(house, dialect, "quad", stream=stream)
    last = VENDORS[most - 1]
    assert (said.status, said.error["code"], said.error["provider"]) == (502, "upstream_error", last)
    assert await house.called() == list(VENDORS[:most])
    assert said.headers["x-tokenharbor-attempts"] == str(most)
    assert len((await receipt_of(house, said))["attempts"]) == most
    assert await house.money() == UNTOUCHED


# Health


@DIALECTS
async def test_who_has_just_failed_is_tried_last_until_it_has_cooled(house: House, dialect: str) -> None:
    house.fail(busy(500))
    assert (await ask(house, dialect)).headers["x-tokenharbor-provider"] == "beta"
    assert (await ask(house, dialect)).headers["x-tokenharbor-attempts"] == "1"
    assert await house.called() == ["alpha", "beta", "beta"]
    wire = {"chat": "openai_chat", "message": "anthropic_messages"}[dialect]
    metrics = (await house.ask("GET", "/metrics")).body.decode()
    assert f'tokenharbor_endpoint_cooling{{endpoint="alpha/duo:{wire}"}} 1.0' in metrics
    house.fail("", busy(500))
    said = await ask(house, dialect)
    assert said.headers["x-tokenharbor-provider"] == "alpha", "cooling is no boundary"
    house.parts.health._cooling_until.clear()
    house.fail()
    assert (await ask(house, dialect)).headers["x-tokenharbor-provider"] == "alpha"


async def test_a_lone_vendor_is_tried_however_it_has_failed(house: House) -> None:
    house.fail(busy(500))
    for _ in range(3):
        assert (await ask(house, "chat", "solo")).status == 502
    house.fail()
    assert (await ask(house, "chat", "solo")).status == 200


async def test_a_vendor_that_breaks_off_its_streams_cools_too(house: House) -> None:
    house.fail("kind = 'break', after_content = 1")
    await ask(house, "chat", stream=True)
    assert (await ask(house, "chat", stream=True)).headers["x-tokenharbor-provider"] == "beta"


async def test_a_refused_request_is_no_fault_of_the_vendors(house: House) -> None:
    house.fail(busy(400))
    await ask(house, "chat")
    house.fail()
    assert (await ask(house, "chat")).headers["x-tokenharbor-provider"] == "alpha"


async def test_the_quickest_goes_first_where_that_is_asked_for(house: House) -> None:
    health = house.parts.health
    health.record_success("alpha/duo:openai_chat", 900)
    health.record_success("beta/duo:openai_chat", 90)
    assert (await ask(house, "chat")).headers["x-tokenharbor-provider"] == "alpha"
    said = await ask(house, "chat", provider={"sort": "latency"})
    assert said.headers["x-tokenharbor-provider"] == "beta"
