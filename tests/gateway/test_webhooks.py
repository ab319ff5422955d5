"""Webhooks over HTTP: passed on byte for byte, answered once the event is stored, refused if forged or too large."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from structlog.testing import capture_logs

from tokenharbor.billing.alarms import Alarm, Alarms
from tokenharbor.funding.context import FundingAlarm
from tokenharbor.gateway.webhooks import FORGED_A_MINUTE, LONGEST_WEBHOOK, WebhookHandler
from tokenharbor.http.exchange import Exchange
from tokenharbor.http.message import ServerLimits
from tokenharbor.http.server import Server
from tokenharbor.kernel.clock import ManualClock, SystemClock
from tokenharbor.kernel.errors import DatabaseUnavailable, ForgedEvent, HarborError, Missing, ProcessorUnavailable


@dataclass
class Desk:
    """Keeps what comes in, or fails as it is told."""

    alarms: Alarms = field(default_factory=Alarms)
    kept: list[tuple[str, str, bytes]] = field(default_factory=list)
    fault: HarborError | None = None
    news: bool = True
    url: str = ""
    clock: ManualClock = field(default_factory=lambda: ManualClock(datetime(2026, 5, 1, tzinfo=UTC)))

    async def receive(self, processor: str, headers: Mapping[str, str], body: bytes) -> bool:
        if self.fault is not None:
            raise self.fault
        self.kept.append((processor, headers["signature"], body))
        return self.news

    async def post(self, body: bytes, **headers: str) -> httpx.Response:
        async with httpx.AsyncClient() as client:
            return await client.post(self.url, content=body, headers={"Signature": "s", **headers})


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    handler = WebhookHandler(desk.receive, desk.alarms, desk.clock)

    async def serve(exchange: Exchange) -> None:
        await handler.serve(exchange, "acme")

    server = Server(serve, ServerLimits(), SystemClock(), trusted_proxies=("127.0.0.1",))
    desk.url = f"http://127.0.0.1:{await server.start('127.0.0.1', 0)}/"
    yield desk
    await server.drain(0.1)


async def test_the_bytes_are_passed_on_as_they_came_and_answered_when_kept(desk: Desk) -> None:
    body = '{ "a":1,\r\n "é": 2.0e0 }\n'.encode()
    answer = await desk.post(body)
    assert (answer.status_code, answer.text) == (200, "kept\n")
    assert desk.kept == [("acme", "s", body)]
    desk.news = False
    assert (await desk.post(body)).text == "known\n"


async def test_a_body_has_256_kib_at_most_announced_or_not(desk: Desk) -> None:
    assert (await desk.post(b"x" * LONGEST_WEBHOOK)).status_code == 200
    assert (await desk.post(b"x" * (LONGEST_WEBHOOK + 1))).status_code == 413

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(LONGEST_WEBHOOK // 1024 + 1):
            yield b"x" * 1024

    async with httpx.AsyncClient() as client:
        assert (await client.post(desk.url, content=pieces(), headers={"signature": "s"})).status_code == 413
    assert len(desk.kept) == 1


async def test_a_forged_event_is_refused_logged_and_counted(desk: Desk) -> None:
    desk.fault = ForgedEvent("webhook refused: the signature is wrong")
    with capture_logs() as logs:
        assert (await desk.post(b"{}")).status_code == 400
    assert desk.alarms.counts == {(Alarm.WEBHOOK_FORGED, "acme", ""): 1}
    assert [(line["kind"], line["processor"]) for line in logs] == [("webhook_forged", "acme")]


async def test_who_sends_many_forged_events_is_not_read_for_the_rest_of_a_minute(desk: Desk) -> None:
    desk.fault = ForgedEvent("webhook refused: the signature is wrong")
    forger, neighbour, other = ({"X-Forwarded-For": each} for each in ("2a00::1", "2a00::2", "8.8.8.8"))
    with capture_logs() as logs:
        statuses = [(await desk.post(b"{}", **forger)).status_code for _ in range(FORGED_A_MINUTE + 5)]
    assert statuses == [400] * FORGED_A_MINUTE + [429] * 5
    assert len(logs) == FORGED_A_MINUTE
    desk.fault = None
    assert (await desk.post(b"{}", **neighbour)).status_code == 429
    assert (await desk.post(b"{}", **other)).status_code == 200
    desk.clock.advance(timedelta(minutes=1))
    assert (await desk.post(b"{}", **forger)).status_code == 200


async def test_behind_a_proxy_that_is_not_trusted_no_sender_pays_for_another(desk: Desk) -> None:
    desk.fault = ForgedEvent("webhook refused: the signature is wrong")
    for _ in range(FORGED_A_MINUTE + 1):
        assert (await desk.post(b"{}")).status_code == 400


async def test_what_could_not_be_kept_is_to_be_sent_again(desk: Desk) -> None:
    for fault in (ProcessorUnavailable("away"), DatabaseUnavailable("away")):
        desk.fault = fault
        with capture_logs() as logs:
            assert (await desk.post(b"{}")).status_code == 503
        assert [line["event"] for line in logs] == ["webhook_not_kept"]
    assert desk.alarms.counts == {}


async def test_a_processor_that_is_not_configured_is_a_404(desk: Desk) -> None:
    desk.fault = Missing("no processor 'acme'")
    assert (await desk.post(b"{}")).status_code == 404


def test_every_alarm_of_payments_is_one_of_the_house() -> None:
    assert {each.value for each in FundingAlarm} < {each.value for each in Alarm}
