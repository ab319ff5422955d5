"""Keys: in the documented form, drawn evenly, hashed with a secret, bound to networks if their rules say so."""

import re
from collections import Counter
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenharbor.identity.caller import Caller
from tokenharbor.identity.keys import NewKey, allows_ip, is_well_formed, key_hasher, make_key
from tokenharbor.kernel.entropy import SeededEntropy
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.payer import Payer
from tokenharbor.kernel.secret import DerivedSecret, RootSecret, SecretPurpose


class CountingEntropy:
    """A source of every byte equally often: 0, 1, 2, …"""

    def __init__(self) -> None:
        self._next = 0

    def bytes(self, count: int) -> bytes:
        drawn = bytes((self._next + step) % 256 for step in range(count))
        self._next += count
        return drawn


@given(st.integers())
def test_a_key_is_of_the_contracts_form(seed: int) -> None:
    made = make_key(SeededEntropy(seed))
    assert re.fullmatch(r"thk_live_[0-9A-Za-z]{32}", made.key)
    assert is_well_formed(made.key.encode())
    assert made.key.startswith(f"thk_live_{made.first4}")
    assert made.key.endswith(made.last4)
    assert len(made.first4) == len(made.last4) == 4


def test_every_character_is_equally_likely() -> None:
    entropy = CountingEntropy()
    letters = Counter("".join(make_key(entropy).key[9:] for _ in range(6_200)))
    assert len(letters) == 62
    expected = 6_200 * 32 / 62
    assert all(abs(count - expected) < expected * 0.05 for count in letters.values())


def test_a_key_does_not_show_itself() -> None:
    made = make_key(SeededEntropy(1))
    assert made.key not in repr(made)


@pytest.mark.parametrize(
    "presented",
    [
        b"",
        b"thk_live_",
        b"thk_live_" + b"a" * 31,
        b"thk_live_" + b"a" * 33,
        b"thk_test_" + b"a" * 32,
        b"THK_LIVE_" + b"a" * 32,
        b"thk_live_" + b"a" * 31 + b"-",
        b"thk_live_" + b"a" * 31 + b"\xc3",
        b"thk_live_" + b"a" * 31 + b" ",
        b"sk-" + b"a" * 38,
    ],
)
def test_anything_else_is_malformed(presented: bytes) -> None:
    assert not is_well_formed(presented)


def test_the_hash_depends_on_the_secret_and_on_every_character(derived: DerivedSecret) -> None:
    key = make_key(SeededEntropy(1)).key.encode()
    hash_key = key_hasher(derived)
    hashed = hash_key(key)
    assert len(hashed) == 32
    assert hash_key(key) == hashed
    assert key_hasher(RootSecret("another root secret " * 2).derive(SecretPurpose.KEY_HASHES))(key) != hashed
    others = {hash_key(key[:at] + b"~" + key[at + 1 :]) for at in range(len(key))}
    assert len(others - {hashed}) == len(key)


@pytest.mark.parametrize(
    ("peer", "allowed"),
    [
        ("192.0.2.7", True),
        ("192.0.3.7", False),
        ("::ffff:192.0.2.7", True),
        ("::ffff:192.0.3.7", False),
        ("2001:db8::5", True),
        ("2001:db9::5", False),
        ("fe80::1%eth0", True),
        ("", False),
        ("unix", False),
        ("192.0.2.7, 192.0.2.8", False),
    ],
)
def test_a_key_bound_to_networks_is_for_their_addresses_only(peer: str, allowed: bool) -> None:
    networks = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"), ip_network("fe80::/10"))
    caller = Caller(Payer(UUID(int=2), UUID(int=1)), networks=networks)
    assert allows_ip(caller, peer) is allowed


def test_a_key_without_networks_is_for_any_address() -> None:
    assert allows_ip(Caller(Payer(UUID(int=2), UUID(int=1))), "anywhere")


def test_first_and_last_characters_are_of_the_random_part() -> None:
    assert (NewKey("thk_live_" + "ABCD" + "x" * 24 + "wxyz").first4) == "ABCD"
