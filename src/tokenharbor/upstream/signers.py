"""Signers: how a credential is shown to a provider, as header lines."""

from collections.abc import Callable, Mapping

from tokenharbor.kernel.errors import Misconfigured


def _bearer(secret: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {secret}"),)


def _x_api_key(secret: str) -> tuple[tuple[str, str], ...]:
    return (("x-api-key", secret),)


def _none(_: str) -> tuple[tuple[str, str], ...]:
    return ()


SIGNERS: Mapping[str, Callable[[str], tuple[tuple[str, str], ...]]] = {
    "bearer": _bearer,
    "x-api-key": _x_api_key,
    "none": _none,
}


def sign(auth: str, secret: str | None) -> tuple[tuple[str, str], ...]:
    """The header lines that carry `secret`; raises Misconfigured for a way that we do not know."""
    if auth not in SIGNERS:
        raise Misconfigured(f"auth {auth!r} is not one of {', '.join(sorted(SIGNERS))}")
    lines = SIGNERS[auth](secret or "")
    for name, value in lines:
        if not value.isascii() or not value.isprintable():
            raise Misconfigured(f"the credential for {name} holds characters that no header can carry")
    return lines
