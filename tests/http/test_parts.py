"""The small parts: origins, trusted proxies, header lists, deadlines."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.http.support import raw_client, serving, until

from tokenharbor.http.exchange import Exchange
from tokenharbor.http.forwarded import TrustedProxies
from tokenharbor.http.head import first_value, has_token, list_headers, map_headers
from tokenharbor.http.origin import Origin, origin_of
from tokenharbor.http.sweeper import NEVER, DeadlineSweeper
from tokenharbor.kernel.errors import Misconfigured


@pytest.mark.parametrize(
    ("url", "origin", "prefix", "authority"),
    [
        ("http://127.0.0.1:9101/v1", Origin("127.0.0.1", 9101), "/v1", "127.0.0.1:9101"),
        ("https://api.example.com/", Origin("api.example.com", 443, tls=True), "", "api.example.com"),
        (
            "https://api.example.com:8443/a/b/",
            Origin("api.example.com", 8443, tls=True),
            "/a/b",
            "api.example.com:8443",
        ),
        ("http://[::1]:80/v1", Origin("::1", 80), "/v1", "[::1]"),
        ("HTTP://Example.COM", Origin("example.com", 80), "", "example.com"),
        ("http+unix://%2Frun%2Fc.sock/x", Origin("localhost", 80, unix="/run/c.sock"), "/x", "localhost"),
    ],
)
def test_a_base_url_is_an_origin_and_a_prefix(url: str, origin: Origin, prefix: str, authority: str) -> None:
    assert origin_of(url) == (origin, prefix)
    assert origin.authority == authority


@pytest.mark.parametrize(
    "url",
    [
        *("", "api.example.com", "ftp://h/", "http:///v1", "http://h:99999/", "http://h:port/", "http+unix:///v1"),
        *("http://user:secret@h/", "http://h/v1?key=1", "http://h/v1#x", "http://h/v 1", "http://h/ü", "http://[::1/"),
    ],
)
def test_what_is_no_base_url_is_said_so_without_its_secrets(url: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        origin_of(url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("peer", "chain", "client"),
    [
        ("10.0.0.1", [b"1.1.1.1"], "1.1.1.1"),
        ("10.0.0.1", [b"1.1.1.1, 2.2.2.2"], "2.2.2.2"),
        ("10.0.0.1", [b"1.1.1.1, 2.2.2.2, 10.9.9.9"], "2.2.2.2"),
        ("10.0.0.1", [b"1.1.1.1", b"2.2.2.2, 10.0.0.2"], "2.2.2.2"),
        ("10.0.0.1", [b"10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [b""], "10.0.0.1"),
        ("10.0.0.1", [b"1.1.1.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", [b"1.1.1.1, <script>, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", [b"1.1.1.1:443"], "1.1.1.1"),
        ("10.0.0.1", [b"[2001:db8::1]:443"], "2001:db8::1"),
        ("10.0.0.1", [b"2001:db8::1"], "2001:db8::1"),
        ("::ffff:10.0.0.1", [b"::ffff:1.1.1.1"], "1.1.1.1"),
        ("3.3.3.3", [b"1.1.1.1"], "3.3.3.3"),
        ("", [b"1.1.1.1"], "1.1.1.1"),
        ("2001:db8::5", [b"1.1.1.1"], "1.1.1.1"),
    ],
)
def test_the_client_is_the_right_most_untrusted_address(peer: str, chain: list[bytes], client: str) -> None:
    proxies = TrustedProxies(["10.0.0.0/8", "2001:db8::/112", "unix"])
    headers = [(b"x-forwarded-for", value) for value in chain] + [(b"forwarded", b"for=9.9.9.9")]
    assert proxies.client(peer, headers) == client


@settings(deadline=None)
@given(st.lists(st.text(alphabet="0123456789abcdef.:[] ,", max_size=20)))
def test_whatever_stands_in_the_chain_an_address_comes_out(entries: list[str]) -> None:
    proxies = TrustedProxies(["10.0.0.0/8"])
    headers = [(b"x-forwarded-for", entry.encode()) for entry in entries]
    assert proxies.client("10.0.0.1", headers)
    assert proxies.client("3.3.3.3", headers) == "3.3.3.3"


def test_without_trusted_proxies_nobody_is_believed() -> None:
    assert TrustedProxies().client("", [(b"x-forwarded-for", b"1.1.1.1")]) == ""
    assert TrustedProxies().client("10.0.0.1", [(b"x-forwarded-for", b"1.1.1.1")]) == "10.0.0.1"


def test_a_network_that_is_none_is_said_so() -> None:
    with pytest.raises(Misconfigured, match="trusted_proxies"):
        TrustedProxies(["10.0.0.0/33"])


def test_headers_of_one_name_stay_apart() -> None:
    head = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; x\r\nX: y \r\nset-cookie:\tb=2\r\nEmpty:\r\n\r\nbody: none\r\n\r\n"
    headers = map_headers(head)
    assert sorted(list_headers(headers)) == [
        (b"empty", b""),
        (b"set-cookie", b"a=1; x"),
        (b"set-cookie", b"b=2"),
        (b"x", b"y"),
    ]
    assert first_value(headers, b"set-cookie") == b"a=1; x"
    assert first_value(headers, b"body") is None
    assert map_headers(b"HTTP/1.1 100 Continue\r\nLink: x\r\n\r\n" + head, skip=1) == headers


def test_a_token_is_found_in_any_line_and_never_in_part() -> None:
    headers = {b"connection": b"keep-alive , Upgrade\nclose"}
    assert has_token(headers, b"connection", b"upgrade")
    assert has_token(headers, b"connection", b"close")
    assert not has_token(headers, b"connection", b"keep")
    assert not has_token(headers, b"upgrade", b"close")


class Member:
    """An object with a deadline; records when it passed."""

    def __init__(self) -> None:
        self.deadline = NEVER
        self.expired: list[float] = []

    def expire(self, now: float) -> None:
        self.expired.append(now)
        self.deadline = NEVER


async def test_deadlines_pass_once_each_and_never_early() -> None:
    loop = asyncio.get_running_loop()
    sweeper = DeadlineSweeper(loop, 0.01)
    members = [Member() for _ in range(50)]
    start = loop.time()
    set_to = {}
    for number, member in enumerate(members):
        sweeper.add(member)
        set_to[member] = member.deadline = start + 0.2 - 0.004 * number
        if member.deadline < sweeper.due:
            sweeper.arm(member.deadline)
    moved, left = members[-1], members[-2]
    set_to[moved] = moved.deadline = start + 0.3  # not armed: the sweep finds it
    sweeper.discard(left)
    await until(lambda: bool(moved.expired))
    for member in members:
        if member is not left:
            (expired,) = member.expired
            assert expired >= set_to[member]
    assert left.expired == []
    assert sweeper.due == NEVER
    sweeper.stop()


async def test_a_handler_knows_its_client() -> None:
    async def who(exchange: Exchange) -> None:
        assert exchange.header(b"x") == b"1"
        assert exchange.header(b"y") is None
        assert exchange.headers == [(b"host", b"h"), (b"x", b"1"), (b"x", b"2"), (b"x-forwarded-for", b"8.8.8.8")]
        exchange.respond(200, b"", f"{exchange.peer} {exchange.behind_proxy}".encode())

    request = b"GET / HTTP/1.1\r\nHost: h\r\nX: 1 \r\nx: 2\r\nX-Forwarded-For: 8.8.8.8\r\n\r\n"
    for trusted, expected in (((), b"127.0.0.1 False"), (("127.0.0.1",), b"8.8.8.8 True")):
        async with serving(who, trusted_proxies=trusted) as origin, raw_client(origin) as raw:
            await raw.send(request)
            assert (await raw.receive_answer())[2] == expected
