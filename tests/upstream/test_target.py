"""Targets: heads that are made once, and the lines that are added for each request."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tokenharbor.catalog.types import Endpoint, Provider
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.upstream.target import Target, make_target
from tokenharbor.wire import PROVIDER_DIALECTS

CONVERSE = PROVIDER_DIALECTS["bedrock_converse"]
AWS = Provider(
    "acme",
    "bedrock_converse",
    "https://bedrock-runtime.eu-west-1.amazonaws.com",
    auth="sigv4",
    headers=(("accept", "*/*"),),
    region="eu",
    service="bedrock",
)
SECRET = "AKIDEXAMPLE:secret/key"
START = datetime(2026, 3, 1, tzinfo=UTC)


def target(provider: Provider = AWS, secret: str = SECRET, clock: ManualClock | None = None) -> Target:
    endpoint = Endpoint("m", provider, "maker.m-v1:0", None)
    return make_target(endpoint, PROVIDER_DIALECTS[provider.wire].path, secret, clock or ManualClock(START))


def lines(head: bytes) -> dict[str, str]:
    rows = [row.partition(": ") for row in head.decode().split("\r\n")[1:-1]]
    assert len({name for name, _, _ in rows}) == len(rows), "no header stands twice"
    return {name: value for name, _, value in rows}


def test_each_request_is_signed_with_its_own_path_body_and_moment() -> None:
    clock = ManualClock(START)
    signed = target(clock=clock)
    whole = signed.head(b"", b"{}", stream=False)
    assert whole.startswith(b"POST /model/maker.m-v1%3A0/converse HTTP/1.1\r\nhost: bedrock-runtime.eu-west-1.amazon")
    stream = signed.head(b"", b"{}", stream=True)
    assert stream.startswith(b"POST /model/maker.m-v1%3A0/converse-stream HTTP/1.1\r\n")
    other = signed.head(b"", b"[]", stream=False)
    clock.advance(timedelta(seconds=1))
    later = signed.head(b"", b"{}", stream=False)
    shown = {lines(head)["authorization"] for head in (whole, stream, other, later)}
    assert len(shown) == 4
    assert all(
        "/20260301/eu-west-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-date," in s for s in shown
    )
    assert [lines(head)["x-amz-date"] for head in (whole, later)] == ["20260301T000000Z", "20260301T000001Z"]
    assert lines(whole)["accept"] == "*/*"
    assert b"secret" not in whole


def test_the_region_is_the_address_or_else_the_providers() -> None:
    here = replace(AWS, base_url="http://127.0.0.1:9101", region="us-east-1")
    assert "/us-east-1/bedrock/" in lines(target(here).head(b"", b"", stream=False))["authorization"]
    endpoint = replace(AWS, base_url="https://vpce-1a.bedrock-runtime.us-gov-west-1.vpce.amazonaws.com")
    assert "/us-gov-west-1/bedrock/" in lines(target(endpoint).head(b"", b"", stream=False))["authorization"]


def test_a_key_for_the_api_is_shown_as_a_bearers() -> None:
    head = target(replace(AWS, auth="bearer"), "bedrock-api-key-1").head(b"", b"{}", stream=False)
    assert lines(head)["authorization"] == "Bearer bedrock-api-key-1"
    assert "x-amz-date" not in lines(head)


@pytest.mark.parametrize(
    ("provider", "secret", "words"),
    [
        (AWS, "AKIDEXAMPLE", "ACCESS_KEY_ID:SECRET"),
        (AWS, "AKIDEXAMPLE:x:to\nken", "the credential for "),
        (replace(AWS, base_url="http://127.0.0.1:1", region=None), SECRET, "a region"),
        (replace(AWS, service=None), SECRET, "`service`"),
        (replace(AWS, auth="magic"), SECRET, "sigv4"),
    ],
)
def test_what_cannot_be_signed_is_a_mistake_that_does_not_repeat_the_credential(
    provider: Provider, secret: str, words: str
) -> None:
    with pytest.raises(Misconfigured, match=words) as mistake:
        target(provider, secret)
    assert "AKIDEXAMPLE" not in str(mistake.value)


def test_other_heads_are_as_they_were_made() -> None:
    provider = Provider("acme", "openai_chat", "https://api.acme.example/v1")
    head = target(provider, "sk-1").head(b"x: y\r\n", b"{}", stream=True)
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\nhost: api.acme.example\r\n")
    assert (lines(head)["accept"], lines(head)["authorization"]) == ("text/event-stream", "Bearer sk-1")
    assert head.endswith(b"x: y\r\n")
