"""Codes of a second factor, valid once each: of an authenticator app (TOTP, RFC 6238), and recovery codes."""

import base64
import hmac
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from tokenharbor.identity import factors
from tokenharbor.identity.users import User, lock_user
from tokenharbor.kernel.errors import Conflict, SignInRefused
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.signin.context import SignIn

RECOVERY_CODES: Final = 10

_STEP_SECONDS = 30
_DRIFT = (0, -1, 1)  # steps by which a phone's clock may be off
_SECRET_BYTES = 20
_CODE_BYTES = 10  # 80 bits: a keyed hash is enough


@dataclass(frozen=True, slots=True)
class TotpSetup:
    """The secret to set up an authenticator app with: in base32, as a URI, and as a QR code (SVG)."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)
    svg: str = field(repr=False)


async def set_up_totp(conn: asyncpg.Connection, sign_in: SignIn, user_id: UUID) -> TotpSetup:
    """Make a new secret, to be confirmed with a code. Raises Conflict if one is confirmed already."""
    import pyotp  # noqa: PLC0415  imported only if needed
    import segno  # noqa: PLC0415  likewise

    user = await lock_user(conn, user_id)
    if user.totp_at is not None:
        raise Conflict("an authenticator app is already set up: remove it first").because(ErrorReason.TOTP_SET_UP)
    secret = base64.b32encode(sign_in.world.entropy.bytes(_SECRET_BYTES)).decode()
    await factors.set_totp(conn, sign_in.factor_seal, user_id, secret)
    uri = pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=sign_in.policy().name)
    picture = io.BytesIO()
    segno.make_qr(uri).save(picture, kind="svg", scale=4, xmldecl=False, nl=False)
    return TotpSetup(secret, uri, picture.getvalue().decode())


async def confirm_totp(conn: asyncpg.Connection, sign_in: SignIn, user_id: UUID, code: str) -> Sequence[str]:
    """Confirm the secret with a code; sign-in requires codes from now on. Return the recovery codes, to be shown once.

    Raises Conflict, SignInRefused.
    """
    user, now = await lock_user(conn, user_id), sign_in.world.clock.now()
    if user.totp_at is not None:
        raise Conflict("an authenticator app is already set up").because(ErrorReason.TOTP_SET_UP)
    await _use_totp(conn, sign_in, user_id, code)
    await factors.confirm_totp(conn, user_id, now)
    return await _new_recovery_codes(conn, sign_in, user_id)


async def drop_totp(conn: asyncpg.Connection, sign_in: SignIn, user: User, code: str) -> None:
    """Remove the authenticator app, given a valid code. Raises SignInRefused."""
    if user.totp_at is not None:
        await use_code(conn, sign_in, user.id, code)
    await factors.drop_totp(conn, user.id)


async def remake_recovery_codes(conn: asyncpg.Connection, sign_in: SignIn, user_id: UUID, code: str) -> Sequence[str]:
    """Replace the recovery codes, given a valid code; return the new ones, to be shown once.

    Raises Conflict, SignInRefused.
    """
    if (await lock_user(conn, user_id)).totp_at is None:
        raise Conflict("no authenticator app is set up: set one up first").because(ErrorReason.TOTP_NOT_SET_UP)
    await use_code(conn, sign_in, user_id, code)
    return await _new_recovery_codes(conn, sign_in, user_id)


async def use_code(conn: asyncpg.Connection, sign_in: SignIn, user_id: UUID, code: str) -> None:
    """Use a code of the app or a recovery code; each is valid once. Raises SignInRefused."""
    plain = "".join(code.split()).replace("-", "").lower()
    if len(plain) <= 8:
        await _use_totp(conn, sign_in, user_id, plain)
    elif not await factors.use_recovery_code(
        conn, user_id, sign_in.hasher.hash("recovery", plain), sign_in.world.clock.now()
    ):
        raise _refusal()


async def _use_totp(conn: asyncpg.Connection, sign_in: SignIn, user_id: UUID, code: str) -> None:
    import pyotp  # noqa: PLC0415  imported only if needed

    row = await factors.lock_totp(conn, sign_in.factor_seal, user_id)
    plain = "".join(code.split())
    if row is None or not plain.isascii():
        raise _refusal()
    app, now = pyotp.TOTP(row.secret), sign_in.world.clock.unix_ms() // 1_000 // _STEP_SECONDS
    for counter in (now + drift for drift in _DRIFT):
        fits = hmac.compare_digest(app.generate_otp(counter), plain)
        if fits and await factors.use_totp(conn, user_id, counter):
            return
    raise _refusal()


async def _new_recovery_codes(conn: asyncpg.Connection, sign_in: SignIn, user_id: UUID) -> Sequence[str]:
    drawn = [sign_in.world.entropy.bytes(_CODE_BYTES) for _ in range(RECOVERY_CODES)]
    plain = [base64.b32encode(each).decode().lower() for each in drawn]
    await factors.add_recovery_codes(conn, user_id, [sign_in.hasher.hash("recovery", each) for each in plain])
    return ["-".join(each[start : start + 4] for start in range(0, len(each), 4)) for each in plain]


def _refusal() -> SignInRefused:
    return SignInRefused("The code is wrong or was already used. Wait for the next one.", param="code").because(
        ErrorReason.TOTP_WRONG
    )
