"""An edition that extends another states only its differences; its faults name the file and line of the field."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.editions.derived import derive, derive_text

from tokenharbor.editions.files import edition_names
from tokenharbor.editions.load import load_edition, sections
from tokenharbor.kernel.errors import Misconfigured


def _write(tmp_path: Path, text: str, name: str = "mine.toml") -> str:
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def _faults(tmp_path: Path, text: str) -> Sequence[str]:
    path = _write(tmp_path, text)
    with pytest.raises(Misconfigured) as caught:
        load_edition(path)
    return caught.value.faults


@pytest.mark.parametrize("base", edition_names())
def test_what_it_does_not_state_is_as_in_the_edition_that_it_extends(tmp_path: Path, base: str) -> None:
    mine = load_edition(_write(tmp_path, f'extends = "{base}"\n[refunds]\ndays = 3\ncustomer = true\n'))
    assert mine.name == "mine"
    assert sections(mine) == sections(derive(base, refunds={"days": 3, "customer": True}))


def test_what_a_field_holds_is_replaced_as_a_whole(tmp_path: Path) -> None:
    text = 'extends = "token-harbor"\n[topups]\npacks_usd = ["20"]\n[cashback]\nchat_tiers = { small = 1 }\n'
    mine = load_edition(_write(tmp_path, text))
    assert mine.topups.packs_usd == ("20",)
    assert mine.cashback.chat_tiers == {"small": 1}
    assert mine.cashback.base_bp == load_edition("token-harbor").cashback.base_bp


def test_LNK_2_a_plan_is_changed_field_by_field_and_a_new_one_is_added(tmp_path: Path) -> None:
    whole = "\n".join(f"{field} = 0" for field in ("key_rpm", "key_tpm", "key_concurrency", "account_tpm"))
    rest = 'label = "Team"\nregions = []\nproviders = []\nretention = ""\naccount_rpm = 9\naccount_concurrency = 0\n'
    rest += 'sla = "none"\nsupport = "none"\n'
    terms = "service_fee_bp = 0\ndiscount_bp = 0\n"
    text = f'extends = "tokenhub"\n[plans.pro]\naccount_rpm = 700\n[plans.team]\n{whole}\n{rest}{terms}'
    mine, base = load_edition(_write(tmp_path, text)), load_edition("tokenhub")
    assert list(mine.plans) == [*base.plans, "team"]
    assert (mine.plans["pro"].account_rpm, mine.plans["pro"].service_fee_bp) == (700, 150)
    assert mine.plans["team"].account_rpm == 9
    assert mine.plans["starter"] == base.plans["starter"]


def test_it_may_extend_a_file_that_extends_another(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    _write(tmp_path, 'extends = "relay"\n[price]\nmarkup_bp = 100\ndiscount_bp = 7\n', "shared/base.toml")
    mine = load_edition(_write(tmp_path, 'extends = "shared/base.toml"\n[price]\nmarkup_bp = 200\n'))
    assert (mine.price.markup_bp, mine.price.discount_bp, mine.limits.key_concurrency) == (200, 7, 100)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('extends = "tokn-hub"\n', "line 1: extends: edition: no edition 'tokn-hub'; did you mean 'token-hub'?"),
        ("[price]\n[x]\n", "line 2: unknown section 'x'"),
        ('extends = "\\u0000/relay.toml"\n', "line 1: extends: edition: no edition '\\x00/relay.toml'"),
        ("extends = 3\n", "line 1: extends: expected a string, not an integer"),
        ('# mine\nextends = "mine.toml"\n', "line 2: extends: an edition cannot extend itself: mine.toml → mine.toml"),
        ('extends = "relay"\n[price]\n\nmarkup = 3\n', "line 4 [price]: unknown field 'markup'; did you mean"),
        ('extends = "relay"\nprice.markup_bp = -3\n', "line 2 [price]: markup_bp: expected an integer >= 0"),
        ('extends = "relay"\n[plans."Big"]\n', "line 2 [plans.Big]: the name of a plan must be lower-case"),
        ('extends = "relay"\n[plans.x]\nlabel = ""\n', "line 3 [plans.x]: label: expected"),
        ('extends = "relay"\n[plans.x]\nlabel = "X"\n', "line 2 [plans.x]: missing required field discount_bp"),
        ('extends = "relay"\nprice = 1\n', "line 2 [price]: expected a table, not an integer"),
        ('extends = "relay"\nplans = 1\n', "line 2: plans must be tables"),
        ('extends = "relay"\n[accounts]\ndefault_plan = "x"\n', "line 3 [accounts]: default_plan: no plan 'x'"),
    ],
)  # fmt: skip
def test_a_mistake_names_the_line_that_states_it(tmp_path: Path, text: str, says: str) -> None:
    faults = _faults(tmp_path, text)
    assert any(f"{tmp_path / 'mine.toml'} {says}" in fault for fault in faults), faults


def test_editions_that_extend_each_other_are_refused(tmp_path: Path) -> None:
    _write(tmp_path, 'extends = "mine.toml"\n', "other.toml")
    (fault,) = _faults(tmp_path, 'extends = "./other.toml"\n')
    assert f"{tmp_path / 'other.toml'} line 1: extends" in fault
    assert "mine.toml → other.toml → mine.toml" in fault


def test_a_mistake_in_the_edition_that_is_extended_names_that_file(tmp_path: Path) -> None:
    _write(tmp_path, "\n[price]\nfee = 1\n", "base.toml")
    faults = _faults(tmp_path, 'extends = "base.toml"\n[price]\nmarkup = 1\n')
    assert any(f"{tmp_path / 'base.toml'} line 3 [price]: unknown field 'fee'" in fault for fault in faults)
    assert any(f"{tmp_path / 'mine.toml'} line 3 [price]: unknown field 'markup'" in fault for fault in faults)


TIER = '{ from_usd = "100", discount_bp = 5 }'
CONTRADICTIONS = [
    (
        "price",
        f"volume_tiers = [{TIER}, {TIER.replace('5', '9')}]",
        "volume_tiers",
    ),
    (
        "price",
        f"volume_tiers = [{TIER}, {TIER.replace('1', '2')}]",
        "volume_tiers",
    ),
    ("price", f"volume_tiers = [{TIER.replace('100', '0')}]", "volume_tiers"),
    ("free", "topped_up_requests = 24", "topped_up_requests"),
    ("topups", 'min_usd = "0"', "min_usd"),
    ("topups", 'min_usd = "100.01"\npacks_usd = ["100.01"]', "min_usd"),
    ("topups", 'packs_usd = ["10", "100.01"]', "packs_usd"),
    ("topups", 'packs_usd = ["50", "10"]', "packs_usd"),
    ("topups", "packs_usd = []", "packs_usd"),
    ("topups", "processors = []", "processors"),
    ("topups", "methods = []", "methods"),
    ("topups", "currencies = []", "currencies"),
    ("topups", 'currencies = ["USD", "CNY"]', "cny_rate_minutes"),
    ("topups", "cny_rate_minutes = 30", "cny_rate_minutes"),
    ("topups", 'currencies = ["USD", "CNY"]\ncny_rate_minutes = 30', "cny_rate_least"),
    ("topups", 'cny_rate_least = "5"\ncny_rate_most = "10"', "cny_rate_least"),
    ("topups", 'cny_rate_most = "10"', "cny_rate_most"),
    (
        "topups",
        'currencies = ["USD", "CNY"]\ncny_rate_minutes = 30\ncny_rate_least = "10"\ncny_rate_most = "9.9"',
        "cny_rate_most",
    ),
    ("grants", "welcome_days = 0", "welcome_days"),
    ("grants", 'daily_usd = "1"\ndaily_days = 0', "daily_days"),
    ("grants", 'welcome_usd = "501"', "welcome_usd"),
    ("grants", 'daily_usd = "501"', "daily_usd"),
    ("match", "share_bp = 0", "max_usd"),
    ("match", 'max_usd = "0"', "share_bp"),
    ("match", 'max_usd = "501"', "max_usd"),
    ("match", "within_days = 0", "within_days"),
    ("referral", 'reward_usd = "0"', "unpaid_referrals"),
    ("referral", 'reward_usd = "501"', "reward_usd"),
    ("cashback", "max_bp = 999", "max_bp"),
    ("cashback", "max_bp = 10000", "max_bp"),
    ("cashback", "chat_tiers = { basic = 10000 }", "chat_tiers"),
    ("cashback", "max_bp = 0\nbase_bp = 0", "step_bp"),
    ("cashback", 'day_usd = "0"', "day_usd"),
    ("cashback", "max_bp = 0\nbase_bp = 0\nstep_bp = 0\nchat_tiers = {}", "trial_life_usd"),
    ("incentives", 'life_usd = "0"', "life_usd"),
    ("refunds", "days = 0", "days"),
    ("withdrawals", 'min_usd = "0"', "min_usd"),
    ("withdrawals", 'day_usd = "9.99"', "min_usd"),
    ("auto_topup", 'enabled = true\nmonth_usd = "9"', "month_usd"),
]


def test_fields_that_contradict_each_other_are_refused_at_their_line(tmp_path: Path) -> None:
    for section, stated, field in CONTRADICTIONS:
        lines = stated.splitlines()
        faults = _faults(tmp_path, "\n".join(['extends = "token-harbor"', f"[{section}]", *lines]))
        own = [f"mine.toml line {row} [" for row, line in enumerate(lines, 3) if line.startswith(f"{field} =")]
        where = own[0] if own else "token-harbor.toml line "  # that which is not changed is at fault
        assert any(where in fault and f"[{section}]: {field}: " in fault for fault in faults), (stated, faults)


def test_a_whole_edition_says_the_lines_of_its_own_faults(tmp_path: Path) -> None:
    text = derive_text("token-harbor")
    assert "extends" not in tomllib.loads(text)
    line = text[: text.index("max_providers")].count("\n") + 1
    (fault,) = _faults(tmp_path, text.replace("max_providers = 3", "max_providers = 0"))
    assert fault == f"edition {tmp_path / 'mine.toml'} line {line} [failover]: max_providers: expected an integer >= 1"


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ("code = []", "code: must have at least one model"),
        ('code = ["a", "b", "a"]', "code: has a model twice"),
        ('effort = { coding = "low" }', "effort: no stage 'coding'"),
        ('effort = { code = "lots" }', "effort[...]: not one of the allowed values"),
        ('coding = ["a"]', "unknown field 'coding'; did you mean 'code'?"),
        ('name = "Not A Name"', "name: "),
        ("warm_minutes = 61", "warm_minutes: must be no more than pin_minutes"),
        ('name = ""', 'plan: must be [] because name is "", so there are no pools'),
    ],
)
def test_th_o1_pools_that_cannot_be_asked_are_refused_at_their_line(tmp_path: Path, stated: str, said: str) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(f'extends = "token-harbor"\n[orchestra]\n{stated}\n')
    with pytest.raises(Misconfigured) as caught:
        load_edition(str(mine))
    assert any("[orchestra]" in fault and said in fault for fault in caught.value.faults), caught.value.faults
    if "pools" not in said:
        assert all(f"{mine}, line 3" in fault or f"{mine} line 3" in fault for fault in caught.value.faults)


def test_th_o1_the_default_edition_alone_has_pools_and_a_model_for_each_stage() -> None:
    pools = {name: load_edition(name).orchestra for name in edition_names()}
    assert [name for name, each in pools.items() if each.name] == ["token-harbor"]
    assert all(len(pool) > 1 for pool in pools["token-harbor"].pools().values())
