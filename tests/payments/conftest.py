"""Fixtures: each processor against its simulated server, over HTTP on loopback."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from tests.payments.receiver import Receiver

from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.entropy import SystemEntropy
from tokenharbor.kernel.world import World, make_world
from tokenharbor.payments.paypal import PayPalConfig, PayPalProcessor
from tokenharbor.payments.reading import instrument_hasher
from tokenharbor.payments.stripe import StripeConfig, StripeProcessor
from tokenharbor.simulator.paypal import CLIENT_ID, CLIENT_SECRET, WEBHOOK_ID, SimulatedPayPal
from tokenharbor.simulator.stripe import WEBHOOK_SECRET, SimulatedStripe

STRIPE_KEY = "sk_test_51HideMeFromEveryLog"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 5, 1, 12, tzinfo=UTC))


@pytest.fixture
def world(clock: ManualClock) -> World:
    return make_world(clock, SystemEntropy())


@pytest.fixture
async def stripe_server(world: World) -> AsyncIterator[SimulatedStripe]:
    server = SimulatedStripe(world, secret=STRIPE_KEY)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def stripe(stripe_server: SimulatedStripe, clock: ManualClock) -> AsyncIterator[StripeProcessor]:
    config = StripeConfig(
        secret=STRIPE_KEY,
        webhook_secret=WEBHOOK_SECRET,
        base_url=stripe_server.url,
        methods={name: frozenset({"USD", "CNY"}) for name in ("card", "alipay", "wechat_pay")},
        timeout_seconds=10,
    )
    processor = StripeProcessor(config, clock, instrument_hasher(b"k" * 32))
    yield processor
    await processor.close()


@pytest.fixture
async def paypal_server(world: World) -> AsyncIterator[SimulatedPayPal]:
    server = SimulatedPayPal(world)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def paypal(paypal_server: SimulatedPayPal, clock: ManualClock) -> AsyncIterator[PayPalProcessor]:
    config = PayPalConfig(
        client_id=CLIENT_ID,
        secret=CLIENT_SECRET,
        webhook_id=WEBHOOK_ID,
        base_url=paypal_server.url,
        methods={"paypal": frozenset({"USD"})},
        timeout_seconds=10,
    )
    processor = PayPalProcessor(config, clock, instrument_hasher(b"k" * 32))
    yield processor
    await processor.close()


@pytest.fixture
async def stripe_hook(stripe: StripeProcessor, stripe_server: SimulatedStripe) -> AsyncIterator[Receiver]:
    receiver = Receiver(lambda: stripe)
    await receiver.start()
    stripe_server.webhooks.url = receiver.url
    yield receiver
    await receiver.stop()


@pytest.fixture
async def paypal_hook(paypal: PayPalProcessor, paypal_server: SimulatedPayPal) -> AsyncIterator[Receiver]:
    receiver = Receiver(lambda: paypal)
    await receiver.start()
    paypal_server.webhooks.url = receiver.url
    yield receiver
    await receiver.stop()
