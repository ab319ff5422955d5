"""Invalid model names, headers, keys and queries: the documented error, and none of their text in the answer's head."""

from collections.abc import Iterator

import pytest
from tests.gateway import raw
from tests.gateway.attack import CANARY, DIALECTS, PATHS, body, check_refusal, check_untouched, send, watching_logs
from tests.gateway.house import House

pytestmark = pytest.mark.asyncio(loop_scope="session")

GOOD = body()


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    with watching_logs(caplog, capfd):
        yield


# ---- names of models

ODD_NAMES = [
    "s" * 256,
    "solo\r\nx-tokenharbor-cost-usd: 0",
    "solo\n",
    " solo",
    "solo\0",
    "\x1b[31msolo",
    "sol\u200bo",
    "\U0001f6a2" * 200,
    "\u202eolos",
    "\u0455olo",  # a Cyrillic letter
    "SOLO",
    "alpha/alpha/solo",
    "../../solo",
    "solo?dry_run=1",
    "{{7*7}}",
    "<script>alert(1)</script>",
    "' or 1=1 --",
    "%(message)s %s {0}",
]


@DIALECTS
async def test_models_that_are_none(house: House, dialect: str) -> None:
    for name in ODD_NAMES:
        said = await house.post(PATHS[dialect], body(model=name))
        check_refusal(said, dialect, 404, "model_not_found", "model")
        assert "x-tokenharbor-model" not in said.headers
        assert b"\r\n" not in said.body
    for name in ("s" * 257, "s" * 1_000_000):
        said = await house.post(PATHS[dialect], body(model=name))
        check_refusal(said, dialect, 400, "invalid_request", "model")
    await check_untouched(house)


async def test_models_that_are_none_by_their_address(house: House) -> None:
    for name in ("%0d%0ax-y:z", "%00", "s" * 8_000, "%ff", "..%2f..%2fetc", "<script>", "solo/", "/", "' or 1=1 --"):
        said = await house.get(f"/v1/models/{name.replace(' ', '%20')}")
        check_refusal(said, "chat", 404, "model_not_found", "model")


# ---- other headers


@DIALECTS
@pytest.mark.parametrize(
    "value",
    ["\xff\xfe\x80", 'a"b\\c', "\t", "<script>", "x" * 10_000, "\xe2\x80\xae", "%00%0d%0a", "{}", "' or 1=1 --"],
)
async def test_a_callers_own_request_id_is_kept_short_and_told_only_to_him(
    house: House, dialect: str, value: str
) -> None:
    said = await house.post(PATHS[dialect], GOOD, {"x-request-id": value})
    assert said.status == 200, said.body
    request_id = said.headers["x-request-id"]
    assert request_id.startswith("req_")
    assert value.strip("\t") == "" or value not in "".join(said.headers.values())
    kept = (await house.receipt(request_id))["client_request_id"]
    assert (kept or "") == value.strip("\t")[:128]


@DIALECTS
async def test_a_control_character_in_a_header_is_no_request(house: House, dialect: str) -> None:
    for name in ("x-request-id", "x-tokenharbor-provider", "anthropic-beta", "x-api-key", "authorization"):
        for control in ("\0", "\r", "\n", "\x0b", "\x1b", "\x7f"):
            lines = f"content-length: {len(GOOD)}\r\n{name}: a{control}b\r\n"
            said = await send(house.port, PATHS[dialect], house.payer.key, lines, GOOD)
            check_refusal(said, dialect, 400, "invalid_request")
    await check_untouched(house)


@DIALECTS
async def test_headers_that_are_too_many_or_too_long(house: House, dialect: str) -> None:
    for lines in ("x: y\r\n" * 101, "".join(f"x{number}: y\r\n" for number in range(101)), f"x: {'y' * 70_000}\r\n"):
        said = await send(house.port, PATHS[dialect], house.payer.key, lines, b"")
        check_refusal(said, dialect, 413, "request_too_large")
    said = await house.post(f"{PATHS[dialect]}?{'x' * 9_000}", GOOD)
    check_refusal(said, "chat", 413, "request_too_large")


NO_HEADER_RULES = [
    "",
    "alpha",
    "{",
    "{}{}",
    '{"only":["\xff"]}',
    '{"only":["alpha"],"only":["beta"]}',
    '{"' + "n" * 8_000 + '":1}',
    '{"only":' + "[" * 30_000 + "]" * 30_000 + "}",
    '{"only":[' + '"p",' * 10_000 + '"p"]}',
]


@DIALECTS
async def test_rules_in_the_header_are_read_as_strictly(house: House, dialect: str) -> None:
    for value in NO_HEADER_RULES:
        said = await house.post(PATHS[dialect], GOOD, {"x-tokenharbor-provider": value})
        error = check_refusal(said, dialect, 400, "invalid_request")
        assert error["param"].startswith(("x-tokenharbor-provider", "provider.")), (value[:60], error)
    both = await house.post(PATHS[dialect], body(provider={}), {"x-tokenharbor-provider": '{"only":["alpha"]}'})
    check_refusal(both, dialect, 400, "invalid_request", "provider")
    await check_untouched(house)


# ---- keys


def broken_keys(key: str) -> dict[str, tuple[str, str]]:
    stranger = key[:-4] + ("aaaa" if key[-4:] != "aaaa" else "bbbb")
    return {
        "none": ("x-nothing", ""),
        "empty": ("x-api-key", ""),
        "blanks": ("x-api-key", " \t "),
        "bearer without a key": ("authorization", "Bearer "),
        "no scheme": ("authorization", key),
        "another scheme": ("authorization", f"Basic {key}"),
        "two keys": ("authorization", f"Bearer {key} {key}"),
        "a quoted key": ("x-api-key", f'"{key}"'),
        "a comma": ("x-api-key", f"{key},{key}"),
        "unknown": ("x-api-key", stranger),
        "too short": ("x-api-key", key[:-1]),
        "too long": ("x-api-key", f"{key}a"),
        "another prefix": ("x-api-key", key.replace("thk_live_", "thk_test_")),
        "in capitals": ("x-api-key", key.upper()),
        "another letter": ("x-api-key", key[:-1] + "\xe9"),
        "not text": ("x-api-key", "\xff" * 41),
        "SQL": ("x-api-key", "' or '1'='1"),
        "a vendor's": ("x-api-key", "sk-ant-api03-0123456789"),
        "very long": ("x-goog-api-key", "thk_live_" + "a" * 50_000),
    }


@DIALECTS
async def test_broken_keys_are_refused_before_the_body_is_read(house: House, dialect: str) -> None:
    for name, (header, value) in broken_keys(house.payer.key).items():
        head = f"POST {PATHS[dialect]} HTTP/1.1\r\nhost: harbor\r\n{header}: {value}\r\n"
        for framing in ("content-length: 30000000\r\n", "transfer-encoding: chunked\r\n"):
            answer = await raw.send_bytes(house.port, f"{head}{framing}\r\n".encode("latin-1"))
            said = raw.read_answer(answer)
            check_refusal(said, dialect, 401, "invalid_api_key")
            assert house.payer.key[9:-4] not in said.body.decode(), name
    await check_untouched(house)


@pytest.mark.parametrize("path", ["/v1/account/balance", "/v1/requests", "/v1/requests/req_0", "/v1/models"])
async def test_broken_keys_read_nothing(house: House, path: str) -> None:
    for name, (header, value) in broken_keys(house.payer.key).items():
        said = await house.ask("GET", path, {header: value})
        if path == "/v1/models" and name in ("none", "empty", "blanks", "no scheme", "another scheme"):
            continue
        check_refusal(said, "chat", 401, "invalid_api_key")


async def test_a_key_given_twice_is_none(house: House) -> None:
    lines = f"x-api-key: {house.payer.key}\r\ncontent-length: {len(GOOD)}\r\n"
    check_refusal(await send(house.port, PATHS["chat"], house.payer.key, lines, GOOD), "chat", 401, "invalid_api_key")


# ---- queries


@DIALECTS
async def test_a_key_in_the_query_is_refused_with_a_hint(house: House, dialect: str) -> None:
    for query in (f"key={house.payer.key}", "key=", "key", "%6bey=x", "a=b&key=x", "key=x&key=y"):
        said = await house.post(f"{PATHS[dialect]}?{query}", GOOD)
        error = check_refusal(said, dialect, 401, "invalid_api_key")
        assert "header" in error["message"]
        assert house.payer.key not in said.body.decode()
    await check_untouched(house)


@DIALECTS
async def test_a_dry_run_that_is_not_clearly_one_or_none_is_refused(house: House, dialect: str) -> None:
    """Whoever writes it does not expect to be billed."""
    for value in ("yes", "TRUE", "2", "", "1;", "01", "%00", "on"):
        said = await house.post(f"{PATHS[dialect]}?dry_run={value}", GOOD)
        check_refusal(said, dialect, 400, "invalid_request", "dry_run")
    said = await house.post(f"{PATHS[dialect]}?dry_run=1&dry_run=0", GOOD)
    check_refusal(said, dialect, 400, "invalid_request", "dry_run")
    for value in ("1", "true"):
        said = await house.post(f"{PATHS[dialect]}?dry_run={value}", GOOD)
        assert said.json()["affordable"] is True
        assert CANARY not in said.body.decode()
    await check_untouched(house)


@DIALECTS
async def test_other_queries_change_nothing(house: House, dialect: str) -> None:
    for query in (
        "",
        "beta=true",
        "%ff=%fe",
        "&&&===",
        "a" * 7_000,
        ";",
        "a=%",
        "?",
        "__proto__=1",
        "model=duo",
    ):
        said = await house.post(f"{PATHS[dialect]}?{query}", GOOD)
        assert said.status == 200, (query, said.body)
        assert said.headers["x-tokenharbor-model"] == "solo"


async def test_limits_that_are_no_limit(house: House) -> None:
    for limit in ("0", "-1", "1.5", "x", "1001", "0000000019999999", "9" * 5_000, "%d9%a3", "1e2", "0x10", " 5", "NaN"):
        said = await house.get(f"/v1/requests?limit={limit.replace(' ', '%20')}")
        check_refusal(said, "chat", 400, "invalid_request", "limit")
    for limit in ("1", "1000"):
        assert (await house.get(f"/v1/requests?limit={limit}")).json() == {"object": "list", "data": []}


async def test_ids_that_are_none(house: House) -> None:
    for name in (
        "0",
        "req_",
        "req_" + "0" * 26,
        "req_" + "v" * 26,
        "acct_" + "0" * 26,
        "x" * 8_000,
        "req_%27--",
    ):
        said = await house.get(f"/v1/requests/{name}")
        error = said.error
        assert error["code"] in ("invalid_request", "not_found")
        check_refusal(said, "chat", said.status, error["code"])
    mine = (await house.chat()).headers["x-request-id"]
    stranger = await house.new_payer()
    said = await house.get(f"/v1/requests/{mine}", {"x-api-key": stranger.key})
    check_refusal(said, "chat", 404, "not_found")
