"""Snapshots: the shown price is the charged price under any account plan, and a plan's boundaries are kept."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace
from tests.editions.derived import derive

from tokenharbor.catalog.load import load_catalog
from tokenharbor.catalog.retention import keeps_no_longer
from tokenharbor.editions.policy import PlanPolicy, Policy
from tokenharbor.gateway.snapshot import CurrentSnapshot, Snapshot, build_snapshots
from tokenharbor.identity.caller import AccountRules, Caller
from tokenharbor.kernel.errors import BoundariesLeaveNobody
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.payer import Payer
from tokenharbor.kernel.usage import Usage
from tokenharbor.kernel.world import real_world
from tokenharbor.routing.plan import no_route_refusal
from tokenharbor.wire import DIALECTS

AT = datetime(2026, 11, 21, tzinfo=UTC)
PRO = PlanPolicy(
    label="Pro",
    key_rpm=120,
    key_tpm=0,
    key_concurrency=0,
    account_rpm=0,
    account_tpm=0,
    account_concurrency=0,
    service_fee_bp=150,
    discount_bp=1_250,
    regions=(),
    providers=(),
    retention="",
    sla="none",
    support="none",
)


def edition(default: str = "", **plans: PlanPolicy) -> Policy:
    selling = {"markup_bp": 1_000, "service_fee_bp": 300}
    return replace(derive("token-harbor", price=selling, accounts={"default_plan": default}), plans=plans)


def snapshots(policy: Policy) -> CurrentSnapshot:
    catalog = load_catalog({}, DIALECTS)
    return CurrentSnapshot(build_snapshots(catalog, policy, lambda _: "secret", real_world().clock))


def caller(plan: str, volume: str = "0") -> Caller:
    return Caller(Payer(UUID(int=1), UUID(int=2)), account=AccountRules(plan=plan, volume=Usd.parse(volume)))


@pytest.mark.parametrize(("plan", "discount_bp", "fee_bp"), [("", 0, 300), ("pro", 1_250, 150)])
def test_every_price_that_is_shown_is_the_one_that_is_charged(plan: str, discount_bp: int, fee_bp: int) -> None:
    compare_prices(snapshots(edition(pro=PRO)).of(caller(plan)), discount_bp, fee_bp)


def compare_prices(snapshot: Snapshot, discount_bp: int, fee_bp: int) -> None:
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
            assert pricing["service_fee_bp"] == fee_bp
            assert (ready.rates.terms.discount_bp, ready.rates.terms.fee_bp) == (discount_bp, fee_bp)
            compared += 1
    assert compared > 20


@pytest.mark.parametrize(
    ("plan", "volume", "discount_bp"),
    [("", "99.99", 0), ("", "100", 100), ("", "999999", 500), ("pro", "5000", 1_250), ("gone", "1000", 300)],
)
def test_TH_B2_a_volume_tier_is_shown_and_charged(plan: str, volume: str, discount_bp: int) -> None:
    snapshot = snapshots(edition(pro=PRO)).of(caller(plan, volume))
    compare_prices(snapshot, discount_bp, PRO.service_fee_bp if plan == "pro" else 300)


def test_a_volume_tier_that_changes_nothing_has_no_snapshot_of_its_own() -> None:
    plans = snapshots(edition("pro", pro=PRO))
    assert plans.of(caller("pro", "5000")) is plans.of(caller("", "100")) is plans.current
    assert plans.of(caller("", "100")).refused is plans.current.refused


@pytest.mark.parametrize("bounds", [{"providers": ("openai",)}, {"regions": ("us",)}, {"retention": "none"}])
def test_LNK_8_nothing_is_sold_outside_of_a_plans_boundaries(bounds: dict[str, object]) -> None:
    bounded = snapshots(edition(pro=replace(PRO, **bounds)))
    snapshot, plain = bounded.of(caller("pro")), bounded.of(caller(""))
    wholly_outside = set(plain.on_sale()) - set(snapshot.on_sale())
    assert wholly_outside
    for offers in snapshot.offers.values():
        for ready in offers.ready.values():
            provider = ready.endpoint.provider
            assert provider.name in bounds.get("providers", (provider.name,))  # type: ignore[operator]
            assert "regions" not in bounds or (ready.endpoint.region or provider.region) == "us"
            assert "retention" not in bounds or keeps_no_longer(provider.retention, "none")
    for name in wholly_outside:
        plan = snapshot.offers[name].default_plans["openai_chat"]
        assert plan.endpoints == ()
        refusal = no_route_refusal(name, plan.dropped)
        assert isinstance(refusal, BoundariesLeaveNobody)
        assert (refusal.status, refusal.should_retry) == (503, False)
        assert "plan Pro" in refusal.message


def test_an_account_without_a_plan_has_the_default_one() -> None:
    plans = snapshots(edition("pro", pro=PRO))
    assert plans.of(caller("")) is plans.of(caller("pro")) is plans.current
    assert plans.current.limits.key.rpm == 120


def test_an_account_whose_plan_the_edition_does_not_have_has_the_editions_own_terms(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plans = snapshots(edition(pro=PRO))
    assert plans.of(caller("gone")) is plans.of(caller("gone")) is plans.current
    assert plans.current.limits.key.rpm is None
    assert "".join(capsys.readouterr()).count("unknown_plan") == 1


def test_what_was_sold_by_any_plan_is_found_again() -> None:
    plans = snapshots(edition("pro", pro=replace(PRO, providers=("openai",)), free=PRO))
    abroad = next(
        e for m in plans.current.catalog.models.values() for e in m.endpoints if e.provider.name == "deepseek"
    )
    assert plans.find_ready(abroad.model, abroad.name) is not None
    assert plans.find_ready(abroad.model, "nobody") is None


def test_a_callers_rates_are_made_once_and_anew_where_the_caller_changes() -> None:
    snapshot = snapshots(edition(pro=PRO)).of(caller("pro"))
    one, other = caller("pro"), caller("pro")
    rates = snapshot.rates_of(one)
    assert rates is not None
    assert rates.payer.key_limits.rpm == 120
    assert snapshot.rates_of(one) is rates
    assert snapshot.rates_of(other) is not rates
    assert snapshots(edition()).current.rates_of(caller("")) is None
