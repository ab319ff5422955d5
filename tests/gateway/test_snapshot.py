"""Snapshots: what is shown is what is charged, under any plan of an account."""

from datetime import UTC, datetime

import pytest
from tests.editions.derived import derive

from tokenharbor.catalog.load import load_catalog
from tokenharbor.catalog.terms import STANDARD_PLAN, AccountPlan
from tokenharbor.gateway.snapshot import build_snapshot
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.usage import Usage
from tokenharbor.kernel.world import real_world
from tokenharbor.wire import DIALECTS

AT = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize("plan", [STANDARD_PLAN, AccountPlan("pro", 1_250)], ids=lambda plan: plan.name)
def test_every_price_that_is_shown_is_the_one_that_is_charged(plan: AccountPlan) -> None:
    policy = derive("token-harbor", price={"markup_bp": 1_000, "service_fee_bp": 300})
    snapshot = build_snapshot(load_catalog({}, DIALECTS), policy, lambda _: "secret", real_world().clock, plan)
    compared = 0
    for name in snapshot.on_sale():
        shown = snapshot.documents.model(name, AT)
        of_provider = {each["name"]: each["pricing"] for each in shown["providers"]}
        for ready in snapshot.offers[name].ready.values():
            pricing = of_provider[ready.endpoint.provider.name]
            if "output" not in pricing:
                continue
            charge = ready.rates.rate(Usage(output=1_000_000), AT)
            assert charge.total - charge.fee == Usd.parse(pricing["output"])
            assert ready.rates.terms.discount_bp == plan.discount_bp
            compared += 1
    assert compared > 20
