"""Editions: the fields of each, and invalid files."""

import tomllib
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from tests.editions.derived import derive, derive_text

from tokenharbor.editions.files import edition_names
from tokenharbor.editions.load import load_edition, sections, write_edition
from tokenharbor.editions.policy import Sections
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.money import Usd

PRICE = {"markup_bp": 500, "markup_bp_by_model": {"gpt-x": 0, 'a "b"': 7}}
PRO = replace(
    load_edition("tokenhub").plans["pro"], discount_bp=57, regions=("eu",), providers=("demo",), retention="none"
)
GOOD = write_edition(replace(derive("token-harbor", price=PRICE), plans={"pro": PRO}))
FLAT = "service_fee_bp = 0\nmarkup_bp = 0\nfailover = true\n[markup_bp_by_model]\n"


def _file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return str(path)


def _faults(tmp_path: Path, text: str) -> tuple[str, ...]:
    path = _file(tmp_path, text)
    with pytest.raises(Misconfigured) as caught:
        load_edition(path)
    assert all(path in fault and "\n" not in fault for fault in caught.value.faults)
    return caught.value.faults


def test_the_four_reference_services_are_there() -> None:
    assert edition_names() == ("relay", "token-harbor", "token-hub", "tokenhub")


def test_th_b2_the_default_edition_sells_at_the_vendors_price() -> None:
    price = load_edition("token-harbor").price
    assert (price.markup_bp, price.markup_bp_by_model, price.service_fee_bp) == (0, {}, 0)


def test_hub_7_token_hub_does_not_fail_over() -> None:
    assert load_edition("token-hub").failover.at_most == 1
    assert all(load_edition(name).failover.enabled for name in ("token-harbor", "tokenhub", "relay"))


def test_an_edition_without_failover_tries_one_provider_whatever_its_most() -> None:
    assert derive("token-harbor", failover={"enabled": False, "max_providers": 3}).failover.at_most == 1


def test_lnk_1_tokenhub_takes_a_service_fee_of_three_percent() -> None:
    assert load_edition("tokenhub").price.service_fee_bp == 300


def test_lnk_9_tokenhub_tries_at_most_three_providers() -> None:
    assert load_edition("tokenhub").failover.at_most == 3


@pytest.mark.parametrize("name", edition_names())
def test_every_edition_caps_at_half_the_balance_and_bills_no_broken_stream(name: str) -> None:
    policy = load_edition(name)
    assert (policy.cap.share_bp, policy.cap.min_tokens, policy.billing.broken_streams) == (5000, 1024, False)


@pytest.mark.parametrize(
    ("name", "key_rpm", "account_rpm", "key_concurrency"),
    [("token-harbor", 0, 0, 0), ("token-hub", 60, 600, 0), ("tokenhub", 0, 0, 0), ("relay", 0, 0, 100)],
)
def test_HUB_6_RLY_5_every_edition_states_its_limits(
    name: str, key_rpm: int, account_rpm: int, key_concurrency: int
) -> None:
    limits = load_edition(name).limits
    assert (limits.key_rpm, limits.account_rpm, limits.key_concurrency) == (key_rpm, account_rpm, key_concurrency)


def test_LNK_1_LNK_2_plans_differ_in_fee_and_requests_a_minute() -> None:
    policy = load_edition("tokenhub")
    assert [plan.label for plan in policy.plans.values()] == ["Starter", "Pro", "Enterprise"]
    fees = [plan.service_fee_bp for plan in policy.plans.values()]
    rpm = [plan.account_rpm for plan in policy.plans.values()]
    assert fees == sorted(set(fees), reverse=True)
    assert rpm == sorted(set(rpm))
    assert fees[0] == policy.price.service_fee_bp
    assert (
        len({plan.sla for plan in policy.plans.values()}) == len({plan.support for plan in policy.plans.values()}) == 3
    )


def test_LNK_2_the_plan_of_an_account_is_its_own_else_the_default() -> None:
    policy = load_edition("tokenhub")
    assert [policy.plan_name(stated) for stated in ("pro", "", "gone")] == ["pro", "starter", "starter"]
    assert policy.plan("pro") is policy.plans["pro"]
    assert load_edition("relay").plan("") is None


@pytest.mark.parametrize("name", edition_names())
def test_TH_F1_free_requests_are_25_in_5_hours_and_250_for_who_topped_up(name: str) -> None:
    policy = load_edition(name)
    assert (policy.free.window_hours, policy.free.requests, policy.free.topped_up_requests) == (5, 25, 250)
    assert policy.topups.smallest_pack == Usd.parse("10")


def test_an_operators_own_edition_is_a_file(tmp_path: Path) -> None:
    policy = load_edition(_file(tmp_path, GOOD))
    assert policy.name == "mine"
    assert policy.price.markup_of("gpt-x") == 0
    assert policy.price.markup_of("anything else") == 500


@pytest.mark.parametrize("name", edition_names())
def test_a_policy_that_is_written_is_read_as_the_same(tmp_path: Path, name: str) -> None:
    policy = derive(name, price=PRICE)
    assert sections(load_edition(_file(tmp_path, write_edition(policy)))) == sections(policy)


def test_sections_are_all_shown_with_every_field(tmp_path: Path) -> None:
    shown = sections(load_edition(_file(tmp_path, GOOD)))
    assert tuple(shown) == Sections.__struct_fields__
    assert msgspec.json.decode(msgspec.json.encode(shown)) == tomllib.loads(GOOD)
    assert shown["price"]["markup_bp_by_model"] == PRICE["markup_bp_by_model"]


@pytest.mark.parametrize(
    ("was", "becomes", "section", "says"),
    [
        ("max_providers = 3", "max_provider = 3", "[failover]", "unknown field 'max_provider'; did you mean"),
        ("enabled = true", "", "[failover]", "missing required field enabled"),
        ("markup_bp = 500", "markup_bp = 5.5", "[price]", "markup_bp: expected an integer, got a float"),
        ("markup_bp = 500", "markup_bp = -1", "[price]", "markup_bp: expected an integer >= 0"),
        ("share_bp = 5000", "share_bp = 10001", "[cap]", "share_bp: expected an integer <= 10000"),
        ("max_providers = 3", "max_providers = 0", "[failover]", "max_providers: expected an integer >= 1"),
        ("gpt-x = 0", 'gpt-x = "0"', "[price]", "markup_bp_by_model[...]: expected an integer, got a string"),
        ("enabled = true", "enabled =", "", "not TOML"),
        ("[cap]", "[cpa]", "", "unknown section 'cpa'; did you mean 'cap'?"),
        ("[cap]", "[cpa]", "", "missing section [cap]"),
        ("[price]", "name = 'x'\n[price]", "", "unknown field 'name'"),
        ("key_rpm = 0", "key_rmp = 0", "[limits]", "unknown field 'key_rmp'; did you mean 'key_rpm'?"),
        ("key_rpm = 0", "", "[limits]", "missing required field key_rpm"),
        ("key_rpm = 0", "key_rpm = -1", "[limits]", "key_rpm: expected an integer >= 0"),
        ('min_usd = "10"', "min_usd = 10", "[topups]", "min_usd: expected a string, got an integer"),
        ('min_usd = "10"', 'min_usd = "10 USD"', "[topups]", "min_usd: expected a string"),
        ('default_plan = ""', 'default_plan = "por"', "[accounts]", "default_plan: no plan 'por'; did you mean 'pro'"),
        ("[plans.pro]", "[plans.Pro]", "[plans.Pro]", "the name of a plan must be lower-case letters"),
        ("[plans.pro]", "[plans.default]", "[plans.default]", "this name is reserved"),
        ("discount_bp = 57", "discont_bp = 57", "[plans.pro]", "unknown field 'discont_bp'; did you mean"),
        ("discount_bp = 57", "discount_bp = 10000", "[plans.pro]", "discount_bp: expected an integer <= 9999"),
        ("discount_bp = 57", "", "[plans.pro]", "missing required field discount_bp"),
        ('retention = "none"', 'retention = "never"', "[plans.pro]", "retention: expected a string"),
        ('"eu"', '"e u"', "[plans.pro]", "regions"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_and_where(
    tmp_path: Path, was: str, becomes: str, section: str, says: str
) -> None:
    assert any(f"{section}: {says}" in fault for fault in _faults(tmp_path, GOOD.replace(was, becomes, 1)))


def test_a_file_without_sections_is_told_each_field_and_each_section(tmp_path: Path) -> None:
    said = _faults(tmp_path, FLAT)
    fields = ("unknown field 'service_fee_bp'", "unknown field 'markup_bp'", "unknown section 'markup_bp_by_model'")
    missing = ("missing section [price]", "missing section [cap]", "missing section [billing]")
    for fault in (*fields, *missing, "[failover]: expected a table, not a boolean"):
        assert any(fault in each for each in said), fault
    assert len(said) == 4 + len(Sections.__struct_fields__) - 1, "four that are wrong, and all that are missing"


def test_an_unknown_edition_names_the_nearest() -> None:
    with pytest.raises(Misconfigured, match=r"no edition 'token-harbour'; did you mean 'token-harbor'\?"):
        load_edition("token-harbour")


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read: No such file"):
        load_edition(str(tmp_path / "absent.toml"))
    with pytest.raises(Misconfigured, match="cannot be read"):
        load_edition(str(tmp_path) + "/")


def test_a_file_that_is_not_utf_8_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(Misconfigured, match="not UTF-8"):
        load_edition(str(path))


def test_plans_must_be_tables(tmp_path: Path) -> None:
    text = derive_text("token-harbor").replace("[plans]", "", 1)
    assert any("plans must be tables" in fault for fault in _faults(tmp_path, "plans = 3\n" + text))
    assert any("[plans.x]: expected a table" in fault for fault in _faults(tmp_path, text + "[plans]\nx = 1\n"))
