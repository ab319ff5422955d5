"""Editions: what each states, and what a file may not say."""

from pathlib import Path

import pytest

from tokenharbor.editions.policy import Policy, edition_names, fields, load_edition
from tokenharbor.kernel.errors import Misconfigured

GOOD = """
service_fee_bp = 300
markup_bp = 500
failover = true
max_providers = 3
cap_share_bp = 5000
cap_min_tokens = 1024
bill_broken_streams = false
[markup_bp_by_model]
"gpt-x" = 0
"""


def _file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return str(path)


def test_the_four_reference_services_are_there() -> None:
    assert edition_names() == ("relay", "token-harbor", "token-hub", "tokenhub")


def test_th_b2_the_default_edition_sells_at_the_vendors_price() -> None:
    policy = load_edition("token-harbor")
    assert (policy.markup_bp, policy.markup_bp_by_model, policy.service_fee_bp) == (0, {}, 0)


def test_hub_7_token_hub_does_not_fail_over() -> None:
    assert not load_edition("token-hub").failover
    assert all(load_edition(name).failover for name in ("token-harbor", "tokenhub", "relay"))


def test_lnk_1_tokenhub_takes_a_service_fee_of_three_percent() -> None:
    assert load_edition("tokenhub").service_fee_bp == 300


def test_lnk_9_tokenhub_tries_at_most_three_providers() -> None:
    assert load_edition("tokenhub").max_providers == 3


@pytest.mark.parametrize("name", ["relay", "token-harbor", "token-hub", "tokenhub"])
def test_every_edition_caps_at_half_the_balance_and_bills_no_broken_stream(name: str) -> None:
    policy = load_edition(name)
    assert (policy.cap_share_bp, policy.cap_min_tokens, policy.bill_broken_streams) == (5000, 1024, False)


def test_an_operators_own_edition_is_a_file(tmp_path: Path) -> None:
    policy = load_edition(_file(tmp_path, GOOD))
    assert policy.name == "mine"
    assert policy.markup_of("gpt-x") == 0
    assert policy.markup_of("anything else") == 500


def test_fields_are_all_shown_with_the_name_first(tmp_path: Path) -> None:
    shown = fields(load_edition(_file(tmp_path, GOOD)))
    assert next(iter(shown)) == "name"
    assert set(shown) == set(Policy.__struct_fields__)
    assert shown["markup_bp_by_model"] == {"gpt-x": 0}


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ("failover = true", "failovr = true", "unknown field 'failovr'; did you mean 'failover'?"),
        ("failover = true", "", "missing required field failover"),
        ("markup_bp = 500", "markup_bp = 5.5", "markup_bp: expected an integer, got a float"),
        ("markup_bp = 500", "markup_bp = -1", "markup_bp: expected an integer >= 0"),
        ("cap_share_bp = 5000", "cap_share_bp = 10001", "cap_share_bp: expected an integer <= 10000"),
        ("max_providers = 3", "max_providers = 0", "max_providers: expected an integer >= 1"),
        ('"gpt-x" = 0', '"gpt-x" = "0"', "markup_bp_by_model[...]: expected an integer, got a string"),
        ("failover = true", "failover =", "not TOML"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_and_where(tmp_path: Path, was: str, becomes: str, says: str) -> None:
    path = _file(tmp_path, GOOD.replace(was, becomes))
    with pytest.raises(Misconfigured) as caught:
        load_edition(path)
    message = str(caught.value)
    assert says in message
    assert path in message
    assert "\n" not in message


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
