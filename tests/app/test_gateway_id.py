"""A gateway's id is made once, is its owner's, and is refused if it was damaged."""

import stat
from pathlib import Path

import pytest

from tokenharbor.app.gateway_id import GATEWAY_FILE, gateway_id
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.world import real_world


def test_it_is_made_once(tmp_path: Path) -> None:
    made = gateway_id(tmp_path, real_world())
    assert gateway_id(tmp_path, real_world()) == made
    assert stat.S_IMODE((tmp_path / GATEWAY_FILE).stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [GATEWAY_FILE]


def test_two_homes_have_two(tmp_path: Path) -> None:
    assert gateway_id(tmp_path / "a", real_world()) != gateway_id(tmp_path / "b", real_world())


@pytest.mark.parametrize("text", ["", "gw_", "acct_06f3mkpnbtvqh9hqg8h1kvvv2s", "gw_zzz", "\xff"])
def test_a_damaged_one_is_refused_and_stays(tmp_path: Path, text: str) -> None:
    (tmp_path / GATEWAY_FILE).write_text(text)
    with pytest.raises(Misconfigured, match=GATEWAY_FILE):
        gateway_id(tmp_path, real_world())
    assert (tmp_path / GATEWAY_FILE).read_text() == text


def test_one_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / GATEWAY_FILE).mkdir()
    with pytest.raises(Misconfigured, match=GATEWAY_FILE):
        gateway_id(tmp_path, real_world())
