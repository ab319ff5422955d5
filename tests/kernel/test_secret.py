"""The root secret: made once, for its owner only; everything else is derived from it by purpose."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tokenharbor.kernel.entropy import SeededEntropy, SystemEntropy
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.secret import RootSecret, SecretBox, SecretPurpose, read_or_create_root_secret

MATERIAL = "0123456789abcdef" * 4


def test_the_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "home" / "secret.key"
    first = read_or_create_root_secret(path, SystemEntropy())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert read_or_create_root_secret(path, SystemEntropy()).fingerprint == first.fingerprint
    assert RootSecret(path.read_text()).fingerprint == first.fingerprint


def test_two_first_starts_at_once_agree_on_one_secret(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: read_or_create_root_secret(path, SystemEntropy()).fingerprint, range(16)))
    assert len(set(found)) == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602, 0o610])
def test_a_file_that_others_may_use_is_refused_with_the_mend(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret.key"
    read_or_create_root_secret(path, SystemEntropy())
    path.chmod(mode)
    with pytest.raises(Misconfigured, match=r"chmod 600 .*secret\.key"):
        read_or_create_root_secret(path, SystemEntropy())


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"", "32"), (b"short\n", "32"), (b"\xff" * 64, "not text")],
)
def test_a_file_that_is_no_secret_is_refused_and_kept(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "secret.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Misconfigured, match=complaint):
        read_or_create_root_secret(path, SystemEntropy())
    assert path.read_bytes() == content


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.key").mkdir()
    with pytest.raises(Misconfigured, match=r"secret\.key"):
        read_or_create_root_secret(tmp_path / "secret.key", SystemEntropy())


def test_each_purpose_has_its_own_secret_and_id() -> None:
    root = RootSecret(MATERIAL)
    derived = [root.derive(purpose) for purpose in SecretPurpose]
    assert len({each.secret for each in derived} | {root.fingerprint}) == len(SecretPurpose) + 1
    assert len({each.id for each in derived}) == len(SecretPurpose)
    assert {len(each.secret) for each in derived} == {32}


def test_another_root_gives_another_of_everything() -> None:
    one, other = RootSecret(MATERIAL), RootSecret(MATERIAL[::-1])
    assert one.fingerprint != other.fingerprint
    assert one.derive(SecretPurpose.KEY_HASHES) != other.derive(SecretPurpose.KEY_HASHES)


def test_derivation_is_pinned_because_databases_outlive_versions() -> None:
    derived = RootSecret(MATERIAL + "\n").derive(SecretPurpose.KEY_HASHES)
    assert (derived.id, derived.secret.hex()) == (
        "29989ed14ebf",
        "5c5ea5ccca8a6a58a5c72c0b63fad66523025014bd7e0eb4658bade031823b1f",
    )


def test_secrets_do_not_show_themselves() -> None:
    root = RootSecret(MATERIAL)
    derived = root.derive(SecretPurpose.CREDENTIALS)
    assert MATERIAL not in repr(root)
    assert derived.secret.hex() not in repr(derived)
    assert repr(derived.secret) not in repr(derived)


def test_what_is_sealed_opens_in_its_own_place_only() -> None:
    seal = SecretBox(RootSecret(MATERIAL).derive(SecretPurpose.CREDENTIALS), SeededEntropy(1))
    sealed = seal.encrypt(b"vendor key", b"here")
    assert b"vendor key" not in sealed
    assert seal.decrypt(sealed, b"here") == b"vendor key"
    assert seal.encrypt(b"vendor key", b"here") != sealed
    with pytest.raises(Misconfigured, match="decrypt"):
        seal.decrypt(sealed, b"there")


def test_a_change_of_any_byte_is_noticed() -> None:
    seal = SecretBox(RootSecret(MATERIAL).derive(SecretPurpose.CREDENTIALS), SeededEntropy(1))
    sealed = seal.encrypt(b"key", b"")
    for place in range(len(sealed)):
        changed = bytes(byte ^ (at == place) for at, byte in enumerate(sealed))
        with pytest.raises(Misconfigured, match="decrypt"):
            seal.decrypt(changed, b"")
    with pytest.raises(Misconfigured, match="decrypt"):
        seal.decrypt(b"", b"")


def test_another_root_secret_does_not_open_it() -> None:
    one, other = (
        SecretBox(RootSecret(m).derive(SecretPurpose.CREDENTIALS), SeededEntropy(1)) for m in (MATERIAL, "x" * 40)
    )
    assert one.key_id != other.key_id
    with pytest.raises(Misconfigured, match="decrypt"):
        other.decrypt(one.encrypt(b"key", b""), b"")
