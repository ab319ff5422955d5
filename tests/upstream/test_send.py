"""Failures are read with the context that the provider left out."""

import asyncio
from datetime import UTC, datetime

import pytest
from tests.upstream.test_target import target

from tokenharbor.http.answer import HttpAnswer
from tokenharbor.http.message import Deadlines
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.upstream.send import read_failure
from tokenharbor.wire import DIALECTS


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ("retry-after: Wed, 21 Oct 2026 07:28:30 GMT\r\n", 30),
        ("date: Wed, 21 Oct 2026 07:28:20 GMT\r\nretry-after: Wed, 21 Oct 2026 07:28:30 GMT\r\n", 10),
    ],
)
async def test_a_date_to_come_back_at_counts_from_our_clock_where_the_vendor_shows_none(
    lines: str, seconds: int
) -> None:
    deadlines = Deadlines(connect=1, first_event=1, between_events=1, total=1)
    answer = HttpAnswer(asyncio.get_running_loop(), deadlines, 0, stream=False)
    answer.status, answer.complete = 429, True
    answer.head = f"HTTP/1.1 429 Too Many Requests\r\n{lines}\r\n".encode()
    clock = ManualClock(datetime(2026, 10, 21, 7, 28, tzinfo=UTC))
    failure = await read_failure(answer, target(clock=clock), DIALECTS["openai_chat"])
    assert failure.retry_after == seconds
