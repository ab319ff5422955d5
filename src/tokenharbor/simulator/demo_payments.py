"""The demo's payment processor, simulated in this process for servers without a real one; its money is pretended."""

from typing import Final

from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.money import CURRENCIES
from tokenharbor.payments.reading import HashInstrument
from tokenharbor.payments.stripe import StripeConfig, StripeProcessor
from tokenharbor.simulator.stripe import WEBHOOK_SECRET

DEMO_PROCESSOR: Final = "demo"
"""Its name in the database: every row with this name is pretended money."""

_KEY: Final = "sk_simulated"


def demo_processor(url: str, clock: Clock, hash_instrument: HashInstrument) -> StripeProcessor:
    """Return a processor that calls the SimulatedStripe at `url`, whose state ends with its process."""
    config = StripeConfig(
        name=DEMO_PROCESSOR,
        secret=_KEY,
        webhook_secret=WEBHOOK_SECRET,
        base_url=url,
        methods={"card": frozenset(CURRENCIES)},
        timeout_seconds=10,
    )
    return StripeProcessor(config, clock, hash_instrument)
