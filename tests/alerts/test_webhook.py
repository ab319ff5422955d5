"""Where webhooks may go: to public addresses over TLS, unless an operator allows others."""

import asyncio
import socket
from ipaddress import ip_address
from typing import Any

import pytest
from tests.alerts.catchers import WebhookCatcher

from tokenharbor.alerts.webhook import WebhookSender, check_webhook_url, is_public
from tokenharbor.kernel.errors import DeliveryRefused, DeliveryUnavailable, Rejected

INNER = (
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.1", "224.0.0.1",
    "240.0.0.1", "255.255.255.255", "192.0.2.1", "::", "::1", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::", "2001:db8::1", "fec0::1",
)  # fmt: skip


def test_inner_addresses_are_not_public() -> None:
    for address in INNER:
        assert not is_public(ip_address(address)), address
    for address in ("1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8"):
        assert is_public(ip_address(address)), address


def test_only_plain_https_addresses_are_taken() -> None:
    assert check_webhook_url("https://hooks.example.com:8443/a?b=c", private=False).port == 8443
    for url in (
        "http://example.com/", "ftp://example.com/", "https:///x", "https://", "example.com", "https://u:p@example.com/",
        "https://example.com/#x", "https://example.com:0/", "https://example.com:99999/", "https://exa mple.com/",
        "https://example.com/\r\nx: y", "https://[::1/", "https://bücher.example/", "https://example.com/" + "x" * 2000,
    ):  # fmt: skip
        with pytest.raises(Rejected):
            check_webhook_url(url, private=False)


async def test_no_post_reaches_an_inner_address_whatever_its_name() -> None:
    catcher = WebhookCatcher()
    await catcher.start()
    for host in ("127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"):
        with pytest.raises((DeliveryRefused, DeliveryUnavailable)):
            await WebhookSender(private=False).post(f"https://{host}:{catcher.port}/", {}, b"{}")
    assert catcher.posts == []
    await catcher.stop()


async def test_a_name_with_one_inner_address_among_others_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(*_: Any, **__: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in ("1.1.1.1", "10.0.0.1")]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve, raising=False)
    with pytest.raises(DeliveryRefused):
        await WebhookSender(private=False).post("https://mixed.example/", {}, b"{}")


async def test_a_name_is_resolved_once_and_the_connection_goes_there(monkeypatch: pytest.MonkeyPatch) -> None:
    catcher = WebhookCatcher()
    await catcher.start()
    asked: list[str] = []

    with monkeypatch.context() as patch:
        patch.setattr(WebhookSender, "_resolve", _resolver(asked))
        await WebhookSender(private=True).post(f"http://rebind.example:{catcher.port}/", {}, b"{}")
    assert asked == ["rebind.example"]
    assert catcher.posts[0][0]["host"] == f"rebind.example:{catcher.port}"
    await catcher.stop()


def _resolver(asked: list[str]) -> Any:
    async def resolve(_self: Any, parts: Any) -> str:
        asked.append(parts.hostname)
        return "127.0.0.1"

    return resolve
