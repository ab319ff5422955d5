"""The simulated processors for people and scripts: the payment page, controls over HTTP, the command."""

import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import httpx
import pytest
from tests.payments.orders import TOP_UP, checkout

from tokenharbor.kernel.clock import SystemClock
from tokenharbor.kernel.money import Money
from tokenharbor.kernel.world import real_world
from tokenharbor.payments.paypal import PayPalConfig, PayPalProcessor
from tokenharbor.payments.types import PaymentState
from tokenharbor.simulator.demo_payments import demo_processor
from tokenharbor.simulator.paypal import CLIENT_ID, CLIENT_SECRET, WEBHOOK_ID, SimulatedPayPal
from tokenharbor.simulator.stripe import SimulatedStripe


@pytest.fixture
async def stripe_server() -> AsyncIterator[SimulatedStripe]:
    server = SimulatedStripe(real_world())
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def paypal_server() -> AsyncIterator[SimulatedPayPal]:
    server = SimulatedPayPal(real_world())
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


async def test_a_person_pays_the_demo_with_pretended_money(
    stripe_server: SimulatedStripe, browser: httpx.AsyncClient
) -> None:
    demo = demo_processor(stripe_server.url, SystemClock(), str)
    assert demo.name == "demo"
    opened = await demo.open_checkout(checkout(2500))
    page = await browser.get(opened.url)
    assert "25.00 USD" in page.text
    assert "nobody is charged" in page.text
    for outcome, goes_to in (("declined", "/pay/"), ("cancel", "/cancel"), ("paid", "/back")):
        answer = await browser.post(opened.url, data={"outcome": outcome})
        assert answer.status_code == 303
        assert goes_to in answer.headers["location"]
    payment = await demo.read_payment(opened.processor_id, TOP_UP)
    assert (payment.state, payment.money) == (PaymentState.PAID, Money("USD", 2500))
    assert (await browser.post(opened.url, data={"outcome": "paid"})).status_code == 404
    await demo.close()


async def test_a_person_pays_the_simulated_paypal(paypal_server: SimulatedPayPal, browser: httpx.AsyncClient) -> None:
    config = PayPalConfig(
        client_id=CLIENT_ID,
        secret=CLIENT_SECRET,
        webhook_id=WEBHOOK_ID,
        base_url=paypal_server.url,
        methods={},
        timeout_seconds=10,
    )
    paypal = PayPalProcessor(config, SystemClock(), str)
    opened = await paypal.open_checkout(checkout(2500, method="paypal"))
    assert "25.00 USD" in (await browser.get(opened.url)).text
    assert (await browser.post(opened.url, data={"outcome": "cancel"})).headers["location"].endswith("/cancel")
    assert (await browser.post(opened.url, data={"outcome": "paid"})).headers["location"].endswith("/back")
    assert (await paypal.read_payment(opened.processor_id, TOP_UP)).state is PaymentState.PAID
    await paypal.close()


async def test_a_script_in_another_process_controls_it_over_http(
    stripe_server: SimulatedStripe, browser: httpx.AsyncClient
) -> None:
    async def control(name: str, **arguments: object) -> httpx.Response:
        return await browser.post(f"{stripe_server.url}/simulator/{name}", json=arguments)

    demo = demo_processor(stripe_server.url, SystemClock(), str)
    opened = await demo.open_checkout(checkout())
    assert (await control("pay", session_id=opened.processor_id)).status_code == 200
    payment = await demo.read_payment(opened.processor_id, TOP_UP)
    assert (await control("refund", charge_id=payment.capture_id, amount=100)).json()["result"]["amount"] == 100
    assert (await control("webhooks", url="http://127.0.0.1:9/x", held=True)).status_code == 200
    assert (await control("fail", path="/v1/*", kind="down")).status_code == 200
    assert [fault.kind for fault in stripe_server.faults] == ["down"]
    for name, arguments in (("pay", {}), ("pay", {"session_id": "cs_none"}), ("nothing", {})):
        assert (await control(name, **arguments)).status_code in (400, 404)
    await demo.close()


RUN = "from tokenharbor.simulator.serve import run; run(0, payments=True)"


def test_the_command_serves_both_processors_and_ends_on_sigterm() -> None:
    with subprocess.Popen([sys.executable, "-c", RUN], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        found = [re.fullmatch(r"(\w+) simulated on (http://\S+): no money moves\n", line) for line in lines[2:]]
        try:
            assert [match and match[1] for match in found] == ["stripe", "paypal"]
            for match in found:
                assert match is not None
                assert httpx.get(f"{match[2]}/v1/nothing").status_code in (401, 404)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
