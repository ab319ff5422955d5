"""Which count is billed."""

from datetime import UTC, datetime

import pytest

from tokenharbor.billing.counting import billable_usage
from tokenharbor.billing.lane import BillingLane
from tokenharbor.billing.meter import Meter
from tokenharbor.editions.load import load_edition
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.payer import Payer
from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.neutral.request import InputSize, Request

LANE = BillingLane(Payer(UUID(int=2), UUID(int=3)), load_edition("token-harbor"), "openai_chat", "m", "m")


@pytest.mark.parametrize(
    ("said", "billed", "whose"),
    [
        (Usage(input=3, output=2), Usage(input=3, output=2), "vendor"),
        (Usage(cache_read=3, output=2), Usage(cache_read=3, output=2), "vendor"),
        (Usage(input=3), Usage(input=3, output=2), "estimated"),
        (Usage(output=9), Usage(input=3, output=2), "estimated"),
        (Usage(), Usage(input=3, output=2), "estimated"),
        (None, Usage(input=3, output=2), "estimated"),
    ],
)
def test_R5_a_count_of_zero_of_what_there_was_is_none(said: Usage | None, billed: Usage, whose: str) -> None:
    meter = Meter(UUID(int=1), datetime(2026, 11, 21, tzinfo=UTC), 0.0)
    meter.bill_to(LANE, Request("openai_chat", b"{}", {}, "m", size=InputSize(12)))
    meter.delivered_bytes = 8
    meter.usage = said
    counted = billable_usage(meter)
    assert (counted.usage, counted.source) == (billed, whose)
