"""Videos through the real gateway: held on request, billed once when done, even if a gateway dies."""

import asyncio
from datetime import timedelta
from typing import Any

import openai
import pytest
from tests.gateway.house import House, credential_of

from tokenharbor.billing.alarms import Alarm
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import DatabaseUnavailable
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.gateways import GatewaySlot, enter_gateway, take_over_holds
from tokenharbor.ledger.tasks import VendorTask, VendorTasks
from tokenharbor.simulator.videos import simulated_mp4

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"),  # one vendor's; others keep the convention
]


async def make(house: House, prompt: str = "a harbour at dawn", **more: Any) -> Any:
    return await house.chats().videos.create(model="camera", prompt=prompt, **more)


async def spent(house: House) -> Usd:
    balance, held = await house.money()
    return Usd(Usd.parse("100") - Usd.parse(balance) - Usd.parse(held))


async def held(house: House) -> str:
    return (await house.money())[1]


async def test_a_video_is_held_for_when_asked_for_and_billed_when_done(house: House) -> None:
    video = await make(house, seconds="8", size="1024x1792")
    assert video.id.startswith("video_")
    assert (video.status, video.seconds, video.size) == ("queued", "8", "1024x1792")
    assert (await held(house), await spent(house)) == ("2.400000000", 0)
    video = await house.chats().videos.retrieve(video.id)
    assert (video.status, await held(house), await spent(house)) == ("in_progress", "2.400000000", 0)
    video = await house.chats().videos.retrieve(video.id)
    assert video.status == "completed"
    assert (await held(house), await spent(house)) == ("0.000000000", Usd.parse("2.4"))
    content = await house.chats().videos.download_content(video.id)
    assert content.read() == simulated_mp4("a harbour at dawn")
    assert await spent(house) == Usd.parse("2.4"), "once, however often it is asked after"


async def test_the_receipt_of_a_video_is_there_when_it_is_done(house: House) -> None:
    raw = await house.chats().videos.with_raw_response.create(model="camera", prompt="a harbour")
    request_id = raw.headers["x-request-id"]
    assert (await house.get(f"/v1/requests/{request_id}")).status == 404
    for _ in range(3):
        await house.chats().videos.retrieve(raw.parse().id)
    receipt = await house.receipt(request_id)
    assert (receipt["cost_usd"], receipt["usage"]["seconds"]) == ("0.400000000", 4), "the convention's usual length"
    assert (receipt["status"], receipt["usage_source"], receipt["provider"]) == ("complete", "counted", "alpha")
    (record, *_) = await house.seen()
    assert 'name="size"\r\n\r\n720x1280\r\n' in (record.body or ""), "what was left open was said to the vendor"


async def test_a_video_that_fails_costs_nothing(house: House) -> None:
    video = await make(house, "fail, please")
    for _ in range(3):
        video = await house.chats().videos.retrieve(video.id)
    assert (video.status, await held(house), await spent(house)) == ("failed", "0.000000000", 0)


async def test_a_video_is_billed_once_whoever_sees_its_end_together(house: House) -> None:
    video = await make(house)
    await asyncio.gather(*(house.chats().videos.retrieve(video.id) for _ in range(12)))
    assert (await held(house), await spent(house)) == ("0.000000000", Usd.parse("0.4"))


async def test_a_fetch_of_what_is_done_bills_it_too(house: House) -> None:
    video = await make(house)
    with pytest.raises(openai.BadRequestError, match="in_progress"):
        await house.chats().videos.download_content(video.id)
    await house.chats().videos.download_content(video.id)
    assert await spent(house) == Usd.parse("0.4")


async def test_a_video_goes_on_when_the_gateway_is_another(house: House) -> None:
    video = await make(house)
    chat_hold = await held(house)
    harbor, slot = house.harbor, GatewaySlot(house.harbor.context.slot.gateway_id, 1, 2)
    pool, world, home = harbor.pool, harbor.context.world, str(harbor.context.settings.home)
    dead = await enter_gateway(pool, world, slot, home)
    await pool.execute("update hold set gateway_id = $1 where account_id = $2", dead.id, house.payer.account_id)
    await take_over_holds(pool, world, await enter_gateway(pool, world, slot, home))
    assert await held(house) == chat_hold == "0.400000000"
    for _ in range(2):
        await house.chats().videos.retrieve(video.id)
    assert (await held(house), await spent(house)) == ("0.000000000", Usd.parse("0.4"))


async def test_a_video_that_nobody_asks_after_is_billed_all_the_same(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(house)
    videos = house.harbor.server._handler.videos  # type: ignore[attr-defined]  # the routes
    monkeypatch.setattr("tokenharbor.gateway.video_tasks._QUIET", timedelta(minutes=-1))
    for _ in range(2):
        await videos.poll_due()
    assert (await held(house), await spent(house)) == ("0.000000000", Usd.parse("0.4"))


async def test_a_video_is_its_accounts_own(house: House) -> None:
    video = await make(house)
    house.payer = await house.new_payer()
    for path in ("", "/content"):
        said = await house.get(f"/v1/videos/{video.id}{path}")
        assert said.status == 404
    assert (await house.get("/v1/videos/video_nonsense")).status == 400


async def test_a_video_is_made_by_the_next_vendor_if_the_first_refuses(house: House) -> None:
    house.fail('kind = "status", status = 503')
    video = await make(house)
    assert await house.called() == ["alpha", "beta"]
    for _ in range(2):
        video = await house.chats().videos.retrieve(video.id)
    assert video.status == "completed"
    assert await spent(house) == Usd.parse("0.4")


async def test_a_caller_that_leaves_while_its_task_is_written_leaves_neither_hold_nor_task(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row is there, but nobody was told of it."""
    add, written = VendorTasks.add, asyncio.Event()

    async def add_and_hear_nothing(tasks: VendorTasks, task: VendorTask) -> bool:
        await add(tasks, task)
        written.set()
        await asyncio.Event().wait()
        return True

    monkeypatch.setattr(VendorTasks, "add", add_and_hear_nothing)
    asking = asyncio.ensure_future(make(house))
    await written.wait()
    asking.cancel()
    await asyncio.wait([asking])
    while await held(house) != "0.000000000":
        await house.harbor.books.drain()
    request_id = (await house.get("/v1/requests")).json()["data"][0]["id"]
    video_id = ids.show("video", ids.parse("req", request_id))
    for path in ("", "", "/content"):
        said = await house.get(f"/v1/videos/{video_id}{path}")
        assert said.status == 404, said.body
    assert (await held(house), await spent(house)) == ("0.000000000", 0)


async def test_a_video_of_a_size_without_a_price_or_for_who_cannot_pay_is_refused(house: House) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await make(house, size="1x1")
    assert refused.value.param == "size"
    house.payer = await house.new_payer("0")
    with pytest.raises(openai.APIStatusError) as broke:
        await make(house)
    assert broke.value.status_code == 402
    assert await house.called() == []


async def test_a_video_that_was_given_up_and_given_back_is_not_handed_out(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = await make(house)
    monkeypatch.setattr("tokenharbor.gateway.video_tasks._LONGEST", timedelta(minutes=-1))
    await house.chats().videos.retrieve(video.id)
    assert (await held(house), await spent(house)) == ("0.000000000", 0)
    for path in ("", "/content"):
        said = await house.get(f"/v1/videos/{video.id}{path}")
        assert said.status == 404, said.body
    assert await spent(house) == 0


async def test_F3_a_video_whose_row_was_not_confirmed_is_given_back_whole(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row was written, and the database lost before it could say so."""
    tasks = house.parts.task_billing.tasks
    add = tasks.add

    async def add_and_lose(task: VendorTask) -> bool:
        assert await add(task)
        raise DatabaseUnavailable("lost")

    monkeypatch.setattr(tasks, "add", add_and_lose)
    with pytest.raises(openai.InternalServerError) as caught:
        await house.chats().with_options(max_retries=0).videos.create(model="camera", prompt="a harbour")
    assert (caught.value.status_code, caught.value.code) == (503, "unavailable")
    request_id = caught.value.response.headers["x-request-id"]
    assert (await held(house), await spent(house)) == ("0.000000000", 0)
    assert (await house.receipt(request_id))["status"] == "failed"
    task = await tasks.find(ids.parse("req", request_id), house.payer.account_id)
    assert task is not None
    assert task.state == "failed"


async def test_F14_a_credential_in_a_video(house: House) -> None:
    secret = credential_of("alpha")
    video = await make(house, secret)  # the simulated camera shows it
    for _ in range(2):
        await house.chats().videos.retrieve(video.id)
    counts = house.parts.metrics._alarms.counts
    counts.clear()
    said = await house.get(f"/v1/videos/{video.id}/content")
    assert (said.status, secret.encode() in said.body) == (200, False)
    assert set(counts) == {(Alarm.CREDENTIAL_SHOWN, "alpha", "camera")}
