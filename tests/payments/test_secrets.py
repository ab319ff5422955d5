"""No secret and no payer in what is logged, at any level, while processors are used, fail and are refused."""

import logging

import pytest
from tests.payments.conftest import STRIPE_KEY
from tests.payments.orders import TOP_UP, checkout, refund

from tokenharbor.kernel.errors import ProcessorRefused, ProcessorUnavailable
from tokenharbor.payments.paypal import PayPalProcessor
from tokenharbor.payments.processor import Processor
from tokenharbor.payments.stripe import StripeProcessor
from tokenharbor.simulator.paypal import CLIENT_SECRET, SimulatedPayPal
from tokenharbor.simulator.stripe import SimulatedStripe

SECRETS = (STRIPE_KEY, CLIENT_SECRET, "whsec_", "A21AA", "Bearer", "Basic ", "payer1@example.com")


async def use(processor: Processor, server: SimulatedStripe | SimulatedPayPal, method: str) -> list[str]:
    """Everything goes well once and wrong in each way; what the errors said."""
    opened = await processor.open_checkout(checkout(method=method))
    server.pay(opened.processor_id)
    payment = await processor.read_payment(opened.processor_id, TOP_UP)
    assert payment.capture_id is not None
    said = [repr(payment), repr(opened), repr(processor)]
    for kind in ("down", "lost", "late_500", "null", "nulls"):
        server.fail("/*", kind)
        with pytest.raises(ProcessorUnavailable) as unavailable:
            await processor.read_payment(opened.processor_id, TOP_UP)
        said.append(repr(unavailable.value))
    with pytest.raises(ProcessorRefused) as refused:
        await processor.refund(refund(payment.capture_id, 99_999))
    return [*said, repr(refused.value)]


async def test_no_secret_of_stripe_is_logged_or_said(
    stripe: StripeProcessor, stripe_server: SimulatedStripe, caplog: pytest.LogCaptureFixture
) -> None:
    # Below INFO the SDK logs whole bodies, which an operator turns on knowingly; even there no key is among them.
    caplog.set_level(logging.INFO)
    said = "\n".join(await use(stripe, stripe_server, "card"))
    assert caplog.text
    for secret in SECRETS:
        assert secret not in caplog.text + said, secret
    caplog.set_level(logging.DEBUG)
    await stripe.find_payment("topup_of_nobody", stripe_server.world.clock.now())
    assert STRIPE_KEY not in caplog.text


async def test_no_secret_of_paypal_is_logged_or_said(
    paypal: PayPalProcessor, paypal_server: SimulatedPayPal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said = "\n".join(await use(paypal, paypal_server, "paypal"))
    assert caplog.text
    for secret in SECRETS:
        assert secret not in caplog.text + said, secret
