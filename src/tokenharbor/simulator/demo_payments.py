"""The demo's payment processor: a simulated one in this process, for servers that have none; its money is pretended."""

from typing import Final

from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.money import CURRENCIES
from tokenharbor.payments.reading import HashInstrument
from tokenharbor.payments.stripe import StripeConfig, StripeProcessor
from tokenharbor.simulator.stripe import WEBHOOK_SECRET

DEMO_PROCESSOR: Final = "demo"
"""What the books call it: every row that names it is about pretended money."""

_KEY: Final = "sk_simulated"


def demo_processor(url: str, clock: Clock, hash_instrument: HashInstrument) -> StripeProcessor:
    """What asks the SimulatedStripe that listens at `url`. What that knows ends with its process."""
    config = StripeConfig(
        name=DEMO_PROCESSOR,
        secret=_KEY,
        webhook_secret=WEBHOOK_SECRET,
        base_url=url,
        methods={"card": frozenset(CURRENCIES)},
        timeout_seconds=10,
    )
    return StripeProcessor(config, clock, hash_instrument)
