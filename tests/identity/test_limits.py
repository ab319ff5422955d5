"""The limits in force, from key, account, plan, edition and the providers' quotas, with their origins."""

from tests.editions.derived import derive

from tokenharbor.catalog.types import ProviderQuota
from tokenharbor.editions.load import load_edition
from tokenharbor.identity.caller import UNSTATED, AccountRules, Caller, StatedRates
from tokenharbor.identity.limits import free_requests, limited_payer, plan_limits
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.payer import UNLIMITED, Payer, RateLimits

NO_QUOTA = ProviderQuota()
BARE = Payer(UUID(int=1), UUID(int=2))


def _payer(edition: str, caller: Caller, quota: ProviderQuota = NO_QUOTA) -> Payer:
    return limited_payer(caller, plan_limits(load_edition(edition), caller.account.plan, quota))


def _caller(account: AccountRules | None = None, *, key: StatedRates = UNSTATED) -> Caller:
    return Caller(BARE, rates=key, account=account or AccountRules())


def _rpm(limits: RateLimits) -> tuple[int | None, str]:
    return limits.rpm, limits.origins[0]


def test_nothing_is_limited_where_nobody_states_a_limit() -> None:
    payer = _payer("token-harbor", _caller())
    assert payer == Payer(BARE.account_id, BARE.key_id, UNLIMITED, UNLIMITED)
    assert not payer.is_limited


def test_HUB_6_the_edition_limits_each_key_to_60_and_its_account_to_600_a_minute() -> None:
    payer = _payer("token-hub", _caller())
    assert _rpm(payer.key_limits) == (60, "edition token-hub")
    assert _rpm(payer.account_limits) == (600, "edition token-hub")
    assert payer.key_limits.origins == ("edition token-hub", "", "")


def test_HUB_6_an_account_is_raised_on_request() -> None:
    raised = AccountRules(rates=StatedRates(rpm=6000), key_rates=StatedRates(rpm=1200))
    payer = _payer("token-hub", _caller(raised))
    assert _rpm(payer.key_limits) == (1200, "the account")
    assert _rpm(payer.account_limits) == (6000, "the account")
    unlimited = AccountRules(rates=StatedRates(rpm=0), key_rates=StatedRates(rpm=0))
    assert not _payer("token-hub", _caller(unlimited)).is_limited


def test_TH_A4_a_key_narrows_what_it_may_and_never_widens_it() -> None:
    assert _rpm(_payer("token-hub", _caller(key=StatedRates(rpm=10))).key_limits) == (10, "the key")
    assert _rpm(_payer("token-hub", _caller(key=StatedRates(rpm=100))).key_limits) == (60, "edition token-hub")
    assert _rpm(_payer("token-hub", _caller(key=StatedRates(rpm=60))).key_limits) == (60, "the key")
    narrowed = AccountRules(key_rates=StatedRates(rpm=5))
    assert _rpm(_payer("token-hub", _caller(narrowed, key=StatedRates(rpm=10))).key_limits) == (5, "the account")


def test_each_rate_has_its_own_narrowest() -> None:
    account = AccountRules(key_rates=StatedRates(tpm=1_000, concurrency=4))
    limits = _payer("token-hub", _caller(account, key=StatedRates(tpm=2_000, concurrency=3))).key_limits
    assert limits == RateLimits(60, 1_000, 3, origins=("edition token-hub", "the account", "the key"))


def test_LNK_2_a_plan_stands_in_place_of_the_editions_limits() -> None:
    rpm = {plan: _rpm(_payer("tokenhub", _caller(AccountRules(plan))).account_limits) for plan in ("starter", "pro")}
    assert rpm == {"starter": (60, "plan starter"), "pro": (600, "plan pro")}
    own = AccountRules("pro", rates=StatedRates(rpm=900))
    assert _rpm(_payer("tokenhub", _caller(own)).account_limits) == (900, "the account")


def test_LNK_2_an_account_without_a_plan_has_the_default_one() -> None:
    policy = load_edition("tokenhub")
    starter = plan_limits(policy, "starter", NO_QUOTA)
    assert plan_limits(policy, "", NO_QUOTA) == plan_limits(policy, "no such plan", NO_QUOTA) == starter


def test_RLY_5_each_key_has_100_requests_open_at_once() -> None:
    limits = _payer("relay", _caller()).key_limits
    assert (limits.concurrency, limits.origins[2]) == (100, "edition relay")


def test_RLY_5_an_account_has_its_share_of_the_providers_quotas() -> None:
    limits = _payer("relay", _caller(), ProviderQuota(rpm=1_001, concurrency=1)).account_limits
    assert limits == RateLimits(500, None, 1, origins=("the providers' quotas", "", "the providers' quotas"))
    assert _payer("relay", _caller(), ProviderQuota(0, 0, 0)).account_limits == UNLIMITED
    raised = _caller(AccountRules(rates=StatedRates(rpm=800)))
    assert _rpm(_payer("relay", raised, ProviderQuota(rpm=1_001)).account_limits) == (800, "the account")


def test_RLY_5_the_edition_limits_an_account_where_its_share_is_wider() -> None:
    policy = derive("relay", limits={"account_rpm": 300})
    assert _rpm(plan_limits(policy, "", ProviderQuota(rpm=1_000)).account) == (300, "edition relay")
    assert _rpm(plan_limits(policy, "", ProviderQuota(rpm=500)).account) == (250, "the providers' quotas")


def test_TH_F1_who_topped_up_the_smallest_pack_has_more_free_requests() -> None:
    policy = load_edition("token-harbor")
    counts = [free_requests(policy, _caller(AccountRules(topped_up=Usd.parse(usd)))) for usd in ("0", "9.99", "10")]
    assert counts == [25, 25, 250]
