"""Paths beside answers, and requests that are refused before a provider is asked, each in its dialect."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from tests.gateway import raw
from tests.gateway.house import CHAT, MESSAGES, House
from tests.gateway.raw import RawAnswer

from tokenharbor.gateway.routes import ROUTES
from tokenharbor.kernel.errors import DatabaseUnavailable
from tokenharbor.ledger.types import Balance, Hold
from tokenharbor.ledger.wallets import Wallets

pytestmark = pytest.mark.asyncio(loop_scope="session")

BOTH = pytest.mark.parametrize("path", [CHAT, MESSAGES], ids=["chat", "messages"])
OURS = "/v1/account/balance"
FAR = {"x-forwarded-for": "192.0.2.7"}
TOKEN = "tok-1"


def check_error(said: RawAnswer, path: str, status: int, code: str) -> None:
    """The contract's error in the dialect of the path, with its request id."""
    assert (said.status, said.error["code"]) == (status, code), said.body
    assert said.headers["content-type"] == "application/json"
    assert said.headers["x-request-id"] == said.headers["request-id"]
    if path.startswith(MESSAGES):
        assert (said.json()["type"], said.json()["request_id"]) == ("error", said.headers["request-id"])
    else:
        assert set(said.json()) == {"error"}
        assert {"message", "type", "code", "param"} <= set(said.error)


# Refusals before anything


@BOTH
async def test_a_key_in_the_url_is_refused_with_a_hint(house: House, path: str) -> None:
    key = house.payer.key
    for asked in (f"{path}?key={key}", f"{path}?dry_run=1&key={key}", f"{path}?key=", f"{path}?a=b;key={key}"):
        said = await house.post(asked, {"model": "solo", "messages": [], "max_tokens": 5})
        check_error(said, path, 401, "invalid_api_key")
        assert "header" in said.error["message"]
        assert key not in said.body.decode()
    assert (await house.get(f"/v1/models?key={key}")).status == 401
    assert (await house.get(f"{OURS}?key={key}")).status == 401


@BOTH
async def test_compressed_bodies_are_not_taken(house: House, path: str) -> None:
    said = await house.post(path, {"model": "solo"}, {"content-encoding": "gzip"})
    check_error(said, path, 415, "unsupported_encoding")
    body: dict[str, Any] = {"model": "solo", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
    assert (await house.post(path, body, {"content-encoding": "identity"})).status == 200


@BOTH
async def test_a_websocket_is_told_at_once(house: House, path: str) -> None:
    """Before the key and without a body; the connection then closes."""
    upgrade = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: eA==\r\n"
    for method in ("GET", "POST"):
        answer = await raw.send_bytes(house.port, f"{method} {path} HTTP/1.1\r\nhost: h\r\n{upgrade}\r\n".encode())
        said = raw.read_answer(answer)
        check_error(said, path, 426, "upgrade_required")
        assert (said.headers["upgrade"], said.headers["connection"]) == ("HTTP/1.1", "close, upgrade")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", CHAT),
        ("PUT", CHAT),
        ("GET", MESSAGES),
        ("DELETE", MESSAGES),
        ("POST", "/v1/models"),
        ("DELETE", "/v1/models/solo"),
        ("POST", OURS),
        ("POST", "/v1/requests"),
    ],
)
async def test_another_method(house: House, method: str, path: str) -> None:
    said = await house.ask(method, path)
    check_error(said, path, 405, "method_not_allowed")
    assert said.headers["allow"] == ("POST, OPTIONS" if path in (CHAT, MESSAGES) else "GET, HEAD, OPTIONS")


async def test_other_methods_than_those_of_a_path_are_told_with_them(house: House) -> None:
    for path, allowed in {
        "/healthz": "GET, HEAD, OPTIONS",
        "/v1/videos": "POST, OPTIONS",
        "/v1beta/models/solo:countTokens": "POST, GET, HEAD, OPTIONS",
    }.items():
        said = await house.ask("PUT", path)
        assert (said.status, said.headers["allow"]) == (405, allowed)
        said = await house.ask("OPTIONS", path)
        assert (said.status, said.headers["allow"]) == (204, allowed)


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/messages/nothing", "/v1/chat/completions/"])
async def test_an_unknown_path(house: House, path: str) -> None:
    check_error(await house.ask("GET", path), path, 404, "not_found")
    check_error(await house.ask("POST", path), path, 404, "not_found")


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/chat/completions", CHAT),
        ("/responses", "/v1/responses"),
        ("/v1/v1/messages", MESSAGES),
        ("/v1/v1/messages/count_tokens", "/v1/messages/count_tokens"),
        ("/embeddings", "/v1/embeddings"),
        ("/models/solo:generateContent", "/v1beta/models/solo:generateContent"),
        ("/v1beta/v1beta/models/solo:countTokens", "/v1beta/models/solo:countTokens"),
        ("/v1/v1beta/models/solo:countTokens", "/v1beta/models/solo:countTokens"),
    ],
)
async def test_who_has_the_version_twice_or_never_is_told_the_path_that_was_meant(
    house: House, path: str, meant: str
) -> None:
    said = await house.ask("POST", path)
    assert said.status == 404
    words = said.error["message"].rstrip(".").split()
    assert (f"{path}." in words, words[-1]) == (True, meant)


async def test_an_unknown_path_of_geminis(house: House) -> None:
    said = await house.ask("GET", "/v1beta/nothing")
    assert (said.status, said.error["code"], said.error["details"][0]["reason"]) == (404, 404, "not_found")


async def test_a_path_of_both_dialects_is_told_in_the_callers(house: House) -> None:
    said = await house.ask("GET", "/v1/models/nothing", {"anthropic-version": "2023-06-01"})
    assert (said.status, said.json()["type"]) == (404, "error")
    assert "type" not in (await house.ask("GET", "/v1/models/nothing")).json()


async def test_outside_of_the_data_plane_nothing_is_served(house: House) -> None:
    for path in ("/nothing", "/v1", "/v2/models", "/.env"):
        assert (await house.ask("GET", path)).status == 404


@BOTH
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer "},
        {"authorization": "Bearer nonsense"},
        {"authorization": "Basic dXNlcjpwYXNz"},
        {"authorization": f"Bearer thk_live_{'A' * 32}"},
        {"x-api-key": f"thk_live_{'é' * 32}"},
        {"x-goog-api-key": f"sk-{'A' * 38}"},
    ],
    ids=["none", "empty", "nonsense", "basic", "unknown", "letters", "foreign"],
)
async def test_without_a_key_of_ours(house: House, path: str, headers: dict[str, str]) -> None:
    for method, asked in (("POST", path), ("GET", OURS), ("GET", "/v1/requests"), ("GET", "/v1/requests/req_1")):
        said = await house.ask(method, asked, headers)
        check_error(said, asked, 401, "invalid_api_key")
        assert said.error["type"] == "authentication_error"
        assert "x-tokenharbor-model" not in said.headers
    assert await house.called() == []


@BOTH
async def test_the_key_is_checked_before_the_body_is_read(house: House, path: str) -> None:
    head = (
        f"POST {path} HTTP/1.1\r\nhost: h\r\nx-api-key: bad\r\ncontent-length: 30000000\r\nexpect: 100-continue\r\n\r\n"
    )
    async with asyncio.timeout(raw.PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(head.encode())
        assert (await reader.readline()).split()[1] == b"401", "and nobody was told to go on"
        writer.close()


# Browsers


@pytest.mark.parametrize("path", [CHAT, MESSAGES, "/v1/models", OURS, "/v1/requests/req_1", "/v1beta/models/m:x"])
async def test_a_browser_may_ask_from_anywhere(house: House, path: str) -> None:
    asked = {
        "origin": "https://page.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,x-api-key,x-tokenharbor-provider,anthropic-version",
    }
    said = await house.ask("OPTIONS", path, asked)
    assert (said.status, said.body) == (204, b"")
    assert said.headers["access-control-allow-origin"] == "*"
    assert {"GET", "POST"} <= set(said.headers["access-control-allow-methods"].split(", "))
    allowed = said.headers["access-control-allow-headers"].split(", ")
    assert {"*", "authorization"} <= set(allowed), "the star does not stand for authorization"
    assert "access-control-allow-credentials" not in said.headers


async def test_a_browser_sees_our_headers(house: House) -> None:
    house.fail("")
    answers = [await house.chat(), await house.chat(stream=True), await house.message(), await house.chat("nothing")]
    answers += [await house.get("/v1/models"), await house.ask("GET", OURS), await house.get(OURS)]
    for said in answers:
        assert said.headers["access-control-allow-origin"] == "*"
        exposed = set(said.headers["access-control-expose-headers"].split(", "))
        ours = {name for name in said.headers if name.startswith("x-tokenharbor") or "request-id" in name}
        assert ours | {"retry-after", "x-should-retry", "x-request-id"} <= exposed
        assert "access-control-allow-credentials" not in said.headers


async def test_what_is_not_the_data_plane_is_not_for_other_origins(house: House) -> None:
    for path in ("/", "/healthz", "/metrics", "/nothing"):
        said = await house.ask("GET", path, {"origin": "https://page.example"})
        assert "access-control-allow-origin" not in said.headers


# Pages and probes


async def test_the_front_page(house: House) -> None:
    got, headed = await house.ask("GET", "/"), await house.ask("HEAD", "/")
    assert (got.status, headed.status) == (200, 200)
    assert headed.headers["content-length"] == str(len(got.body)) != "0"
    assert b"solo" in got.body
    assert b"127.0.0.1" in (await house.ask("GET", "/", {"host": "127.0.0.1:8080"})).body
    listed = await house.ask("HEAD", "/v1/models")
    assert (listed.status, listed.headers["content-type"]) == (200, "application/json")


async def test_every_path_is_named_on_the_front_page(house: House) -> None:
    page = (await house.ask("GET", "/")).body.decode()
    for route in ROUTES:
        assert f"<code>{route.path.rstrip('/') or '/'}</code>" in page
    lost = await house.ask("GET", "/v1/nowhere")
    assert (lost.status, "GET / " in lost.body.decode()) == (404, True)


NEAR = {
    "/models": "/v1/models",
    "/v1/v1/models": "/v1/models",
    "/openai/v1/models": "/v1/models",
    "/api/v1/models": "/v1/models",
    "/v1/models/": "/v1/models",
    "//v1//models": "/v1/models",
    "/V1/Models": "/v1/models",
    "/v1/model": "/v1/models",
    "/models/solo": "/v1/models/solo",
    "/v1/v1/models/solo": "/v1/models/solo",
    "/chat/completions": "/v1/chat/completions",
    "/v1/chat/completions/": "/v1/chat/completions",
    "/v1/chat/completions/chat/completions": "/v1/chat/completions",
    "/openai/v1/chat/completions": "/v1/chat/completions",
    "/openai/deployments/solo/chat/completions": "/v1/chat/completions",
    "/v1beta/openai/chat/completions": "/v1/chat/completions",
    "/v1/completions": "/v1/chat/completions",
    "/messages": "/v1/messages",
    "/v1/v1/messages": "/v1/messages",
    "/anthropic/v1/messages": "/v1/messages",
    "/v1/message": "/v1/messages",
    "/messages/count_tokens": "/v1/messages/count_tokens",
    "/responses": "/v1/responses",
    "/openai/v1/responses": "/v1/responses",
    "/embeddings": "/v1/embeddings",
    "/openai/v1/audio/speech": "/v1/audio/speech",
    "/account/balance": "/v1/account/balance",
    "/models/solo:generateContent": "/v1beta/models/solo:generateContent",
    "/v1beta/v1beta/models/solo:countTokens": "/v1beta/models/solo:countTokens",
}


async def test_C10_a_path_nearly_right_is_told_with_the_right_one(house: House) -> None:
    for path, right in NEAR.items():
        for method in ("GET", "POST"):
            said = await house.ask(method, path)
            assert said.status == 404, (method, path)
            assert said.headers["content-type"] == "application/json"
            assert said.error["message"].endswith(f" {right}."), (method, path)
            if right.startswith(MESSAGES):
                assert said.json()["type"] == "error"
            elif right.startswith("/v1beta/") or ":" in right:
                assert said.error["details"][0]["reason"] == "not_found"
            else:
                check_error(said, right, 404, "not_found")


async def test_C10_a_path_near_none_is_told_as_before(house: House) -> None:
    for path in ("/v1/nowhere", "/v1/", "/v1beta/nowhere", "/v1/" + "models/" * 500):
        assert (await house.ask("GET", path)).status == 404
    assert (await house.ask("GET", "/nowhere")).headers["content-type"].startswith("text/plain")


async def test_an_unknown_method_of_a_model_is_told_with_those_that_are_served(house: House) -> None:
    said = await house.ask("POST", "/v1beta/models/solo:embedContent")
    assert said.status == 404
    assert "generateContent, streamGenerateContent, countTokens" in said.json()["error"]["message"]


async def test_the_front_page_repeats_no_markup_of_the_callers(house: House) -> None:
    page = (await house.ask("GET", "/", {"host": '"><script>x()</script>'})).body
    assert b"<script>x" not in page


async def test_liveness_and_readiness(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await house.ask("GET", "/healthz")).status == 200
    assert (await house.ask("GET", "/readyz")).status == 200
    house.change_system(monkeypatch, ready=lambda: False)
    assert (await house.ask("GET", "/healthz")).status == 200
    assert (await house.ask("GET", "/readyz")).status == 503


async def test_metrics_are_for_loopback_or_a_token(
    house: House, behind_proxy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await house.ask("GET", "/metrics")).status == 200
    assert (await house.ask("GET", "/metrics", FAR)).status == 403
    house.change_system(monkeypatch, metrics_token=TOKEN)
    assert (await house.ask("GET", "/metrics")).status == 200
    for header in ("Bearer tok-1", "bearer tok-1"):
        assert (await house.ask("GET", "/metrics", FAR | {"authorization": header})).status == 200
    for header in ("", "tok-1", "Bearer tok-", "Bearer tok-12", "Bearer tök-1", f"Bearer {house.payer.key}"):
        assert (await house.ask("GET", "/metrics", FAR | {"authorization": header})).status == 403


async def test_metrics_behind_a_proxy_that_nobody_told_us_of(house: House) -> None:
    """Whoever comes from loopback for somebody else is not from loopback."""
    assert (await house.ask("GET", "/metrics", FAR)).status == 403


async def test_metrics_have_only_canonical_names(house: House) -> None:
    names = ("solo-2026-01-01", "alpha/solo", "sims/duo", "nothing-such-7", 'x"} 1\\n')
    for name in names:
        await house.chat(name)
        await house.message(name)
    house.fail("kind = 'status', status = 500")
    await house.chat("duo-2026-01-01")
    text = (await house.ask("GET", "/metrics")).body.decode()
    for name in names:
        assert name not in text
    assert 'tokenharbor_requests_total{model="solo",provider="alpha",status="complete"}' in text
    assert 'tokenharbor_upstream_failures_total{kind="server",provider="alpha"}' in text
    for private in (house.payer.key, str(house.payer.account_id)):
        assert private not in text


# Every answer


async def test_every_answer_has_a_request_id_of_its_own(house: House) -> None:
    house.fail("", "kind = 'status', status = 500")
    answers = [
        await house.chat(),
        await house.chat(stream=True),
        await house.message(),
        await house.message(stream=True),
        await house.chat("beta/duo"),
        await house.chat("nothing"),
        await house.chat(temperature={}),
        await house.post(f"{CHAT}?dry_run=1", {"model": "solo", "messages": [], "max_tokens": 5}),
        await house.post(MESSAGES, b"{"),
        await house.post(CHAT, b"{}", {"content-encoding": "br"}),
        await house.ask("POST", CHAT),
        await house.ask("GET", CHAT),
        await house.ask("OPTIONS", CHAT),
        await house.get("/v1/models"),
        await house.get("/v1/models/solo"),
        await house.get("/v1/models/nothing"),
        await house.get(OURS),
        await house.get("/v1/requests"),
        await house.get("/v1/requests/req_1"),
        await house.get("/v1/nothing"),
    ]
    seen = [said.headers["x-request-id"] for said in answers]
    assert all(each.startswith("req_") for each in seen)
    assert len(set(seen)) == len(seen)
    assert [said.headers["request-id"] for said in answers] == seen


# The database is away


class Away:
    """A connection that is none."""

    async def fetch(self, *_: object) -> Any:
        raise OSError("gone")


@BOTH
async def test_without_our_books_it_is_a_503(house: House, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lost(holds: Sequence[Hold]) -> Sequence[DatabaseUnavailable]:
        return [DatabaseUnavailable("gone") for _ in holds]

    async def away(*_: object) -> Balance:
        raise DatabaseUnavailable("gone")

    monkeypatch.setattr(house.harbor.book._places, "run", lost)
    monkeypatch.setattr(Wallets, "balance", away)
    body = {"model": "solo", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
    for asked in (body, body | {"stream": True}):
        check_error(await house.post(path, asked), path, 503, "unavailable")
    check_error(await house.post(f"{path}?dry_run=1", body), path, 503, "unavailable")
    check_error(await house.get(OURS), OURS, 503, "unavailable")
    assert await house.called() == [], "nobody answers unbilled"


@BOTH
async def test_a_key_that_cannot_be_looked_up_is_not_called_a_bad_one(
    house: House, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unseen = {"x-api-key": f"thk_live_{'B' * 31}{len(path) % 10}"}
    body = {"model": "solo", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
    assert (await house.post(path, body)).status == 200
    monkeypatch.setattr(house.parts.ring, "_reader", Away())
    check_error(await house.ask("POST", path, unseen), path, 503, "unavailable")
    assert (await house.post(path, body)).status == 200, "who is known is served on"


@pytest.mark.parametrize(
    "query",
    [
        "DRY_RUN=1",
        "dry_run%00=1",
        "Dry_Run=1",
        "dryRun=1",
        "dry-run=1",
        "dry_run[]=1",
        "%64ry_run%5B0%5D=1",
        "+dry_run=1",
        "dry_run=1&dry_run=1",
        "dry_run=1&DRY_RUN=0",
        "dry_run=0&dry_run=1",
        "Alt=sse",
        "alt=sse&alt=json",
        "LIMIT=5",
        "a=b;dry_run=1",
        ";dry_run=1",
        "a;b;dry%5Frun",
        "a=b;DRY_RUN=1&c",
    ],
)
async def test_F11_a_parameter_in_another_spelling_or_twice_is_refused(house: House, query: str) -> None:
    for path in (CHAT, MESSAGES, "/v1/embeddings"):
        said = await house.post(f"{path}?{query}", {"model": "solo", "messages": [], "max_tokens": 5})
        check_error(said, path, 400, "invalid_request")
    assert (await house.get(f"/v1/requests?{query}")).status == 400
    assert await house.money() == ("100.000000000", "0.000000000")


@BOTH
async def test_F11_a_header_of_ours_that_stands_twice_is_refused(house: House, path: str) -> None:
    body = b'{"model":"solo","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}'
    key = f"x-api-key: {house.payer.key}\r\n"
    rules = 'x-tokenharbor-provider: {"only":\r\nx-tokenharbor-provider: ["alpha"]}\r\n'
    for twice, status, code in (
        (key + rules, 400, "invalid_request"),
        (key * 2, 401, "invalid_api_key"),
        (f"authorization: Bearer {house.payer.key}\r\n" * 2, 401, "invalid_api_key"),
    ):
        head = f"POST {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n{twice}content-length: {len(body)}\r\n\r\n"
        check_error(raw.read_answer(await raw.send_bytes(house.port, head.encode() + body)), path, status, code)


@BOTH
@pytest.mark.parametrize("name", ["Stream", "stream[]", "max_tokens[0]", " max_tokens", "max_tokens\\u0000"])
async def test_F11_a_key_in_another_spelling_is_refused(house: House, path: str, name: str) -> None:
    body = f'{{"model":"solo","max_tokens":5,"messages":[{{"role":"user","content":"hi"}}],"{name}":9}}'
    check_error(await house.post(path, body.encode()), path, 400, "invalid_request")


@pytest.mark.parametrize(
    "header",
    [
        "forwarded",
        "via",
        "x-real-ip",
        "x-nginx-proxy",
        "wl-proxy-client-ip",
        "x-cloud-trace-context",
        "x-varnish",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-port",
        "cf-connecting-ip",
        "true-client-ip",
        "fastly-client-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-envoy-external-address",
        "x-original-forwarded-for",
    ],
)
async def test_any_sign_of_a_proxy_closes_the_metrics(house: House, header: str) -> None:
    assert (await house.ask("GET", "/metrics", {header: "127.0.0.1"})).status == 403


async def test_a_trusted_proxy_that_does_not_say_for_whom_it_asks_sees_no_metrics(
    house: House, behind_proxy: None
) -> None:
    assert (await house.ask("GET", "/metrics", {"x-real-ip": "192.0.2.7"})).status == 403
    assert (
        await house.ask("GET", "/metrics", {"x-real-ip": "127.0.0.1", "x-forwarded-for": "127.0.0.1"})
    ).status == 200


@BOTH
async def test_F12_without_a_balance_no_large_body_is_awaited(house: House, path: str) -> None:
    """Refused at its head; a small one, a dry run and a count are not, for they cost nothing."""
    house.payer = await house.new_payer("0")
    heads = f"host: h\r\nconnection: close\r\nx-api-key: {house.payer.key}\r\n"
    for framing in ("content-length: 13000000", "transfer-encoding: chunked"):
        answer = await raw.send_bytes(house.port, f"POST {path} HTTP/1.1\r\n{heads}{framing}\r\n\r\n".encode())
        check_error(raw.read_answer(answer), path, 402, "insufficient_quota")
    body = {"model": "solo", "max_tokens": 5, "messages": [{"role": "user", "content": "x" * 300_000}]}
    assert (await house.post(f"{path}?dry_run=1", body)).status == 200
    assert (await house.post(f"{MESSAGES}/count_tokens", body)).status == 200


@BOTH
async def test_F12_large_bodies_that_agents_send_are_served(house: House, path: str) -> None:
    part = {"type": "text", "text": "a step: {x}, and another"}
    turns = [{"role": ("user", "assistant")[n % 2], "content": [part] * 3} for n in range(9_001)]
    body: dict[str, Any] = {"model": "solo", "max_tokens": 5, "messages": turns}
    assert (await house.post(path, body)).status in (200, 402)
    assert (await house.post(f"{path}?dry_run=1", body)).status == 200
