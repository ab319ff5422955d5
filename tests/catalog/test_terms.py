"""The terms of an account: one function for sales and display."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tokenharbor.catalog.describe import ModelDocuments
from tokenharbor.catalog.pricing import Terms
from tokenharbor.catalog.terms import STANDARD_PLAN, AccountPlan, account_terms
from tokenharbor.catalog.types import Catalog

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Edition:
    """Prices with a markup on one model."""

    service_fee_bp: int = 300
    discount_bp: int = 0

    def markup_of(self, model: str) -> int:
        return 2_500 if model == "acme-v3.2" else 0


def test_the_edition_gives_markup_and_fee_and_the_plan_the_discount() -> None:
    assert account_terms(Edition(), STANDARD_PLAN, "acme-v3.2") == Terms(2_500, 0, 300)
    assert account_terms(Edition(), AccountPlan("pro", 1_000), "another") == Terms(0, 1_000, 300)


def test_LNK_1_a_plan_has_a_service_fee_of_its_own_or_none() -> None:
    fees = [account_terms(Edition(), AccountPlan("pro", 0, fee), "another").fee_bp for fee in (150, 0, None)]
    assert fees == [150, 0, 300]


def test_RLY_1_a_plan_has_a_discount_of_its_own_or_the_editions() -> None:
    edition = Edition(discount_bp=500)
    discounts = [account_terms(edition, AccountPlan("pro", own), "another").discount_bp for own in (700, 0, None)]
    assert discounts == [700, 0, 500]


def test_TH_B2_the_better_of_plan_and_volume_discount_holds() -> None:
    edition = Edition(discount_bp=500)
    for own, volume, holds in ((None, 0, 500), (None, 300, 500), (None, 700, 700), (900, 700, 900), (0, 700, 700)):
        assert account_terms(edition, AccountPlan("pro", own, None, volume), "another").discount_bp == holds


def test_a_plans_discount_is_shown_on_the_marked_up_price(
    load: Callable[[dict[str, Any]], Catalog], operator: dict[str, Any]
) -> None:
    pricing = ModelDocuments(load(operator), Edition(), AccountPlan("pro", 1_000)).model("acme-v3.2", AT)["pricing"]
    assert (pricing["input"], pricing["service_fee_bp"]) == ("0.315", 300), "0.28 + 25 % - 10 %"
    assert pricing["prompt"] == "0.000000315"
