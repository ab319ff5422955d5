"""Passkeys (WebAuthn): sign-in with a device or password manager that verifies the user itself.

A passkey replaces both password and second factor, since the authenticator verifies the user by fingerprint or PIN and
says so. It works only on the site that created it, so phishing pages get nothing useful. Each challenge is valid once,
for the purpose that it was made for. Sign-in does not name the user: the authenticator chooses the passkey.
"""

import base64
import hmac
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import asyncpg
import msgspec

from tokenharbor.identity import passkeys
from tokenharbor.identity.passkeys import Passkey
from tokenharbor.identity.sessions import Visitor
from tokenharbor.identity.users import User, lock_user
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Conflict, Rejected, SignInRefused
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.limits import TOKENS_BY_ADDRESS, admit, network_of
from tokenharbor.signin.mails import MailDraft, UserMailKind, send_mail
from tokenharbor.signin.passkey_site import PasskeySite, site_of
from tokenharbor.signin.profile import check_name, check_password
from tokenharbor.signin.records import FieldChange, record_own_change
from tokenharbor.signin.sessions import NewSession, begin_session, lock_unchanged
from tokenharbor.signin.sign_in_methods import check_can_sign_in

MOST: Final = 20
"""Passkeys of one user, at most."""

_LASTS: Final = timedelta(minutes=5)
_CHALLENGE_BYTES = 32
_LONGEST = 20_000  # characters of a base64 field of an authenticator's answer
_UNKNOWN = "This passkey is unknown, or the sign-in took too long: begin again."


class _ClientData(msgspec.Struct, frozen=True):
    challenge: str


async def begin_passkey(sign_in: SignIn, user: User, password: str) -> Mapping[str, Any]:
    """Return the options for creating a passkey. A user with a password must give it.

    Raises Missing, Conflict, SignInRefused, RateLimited.
    """
    import webauthn  # noqa: PLC0415  slow to import, and rarely needed
    from webauthn.helpers import structs  # noqa: PLC0415  likewise

    site = site_of(sign_in)
    await check_password(sign_in, user, password, param="password")
    async with sign_in.acquire() as conn:
        known = await passkeys.list_passkeys(conn, user.id)
        if len(known) >= MOST:
            raise Conflict(f"you have {MOST} passkeys: remove one first").because(ErrorReason.PASSKEYS_MOST, most=MOST)
        challenge = await _challenge(conn, sign_in, user.id)
    options = webauthn.generate_registration_options(
        rp_id=site.domain,
        rp_name=sign_in.policy().name,
        user_id=user.id.bytes,
        user_name=user.email,
        user_display_name=user.name or user.email,
        challenge=challenge,
        exclude_credentials=[structs.PublicKeyCredentialDescriptor(each.credential) for each in known],
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
    )
    return _plain(options)


async def add_passkey(
    sign_in: SignIn, user: User, name: str, credential: Mapping[str, Any], visitor: Visitor
) -> Passkey:
    """Add the passkey that an authenticator has created. Raises Missing, Rejected, Conflict."""
    import webauthn  # noqa: PLC0415  slow to import, and rarely needed

    site, world = site_of(sign_in), sign_in.world
    refusal = Rejected("this passkey is not for this page, or took too long: begin again", param="credential").because(
        ErrorReason.PASSKEY_BEGIN_AGAIN
    )
    challenge = _challenge_of(credential)
    async with sign_in.acquire() as conn, conn.transaction():
        if not await _use(conn, sign_in, challenge, user.id):
            raise refusal
        try:
            made = webauthn.verify_registration_response(
                credential=dict(credential),
                expected_challenge=challenge,
                expected_rp_id=site.domain,
                expected_origin=site.origin,
                require_user_verification=True,
            )
        except Exception:  # noqa: BLE001  four parsers read untrusted input, each with its own errors
            raise refusal from None
        passkey = Passkey(
            id=world.ids.new(),
            user_id=user.id,
            credential=made.credential_id,
            public_key=made.credential_public_key,
            sign_count=made.sign_count,
            name=check_name(name) or "passkey",
            created_at=world.clock.now(),
        )
        await lock_unchanged(conn, user)
        full = len(await passkeys.list_passkeys(conn, user.id)) >= MOST
        if full or not await passkeys.add_passkey(conn, passkey):
            raise Conflict("this passkey exists already, or you have too many").because(ErrorReason.PASSKEY_KNOWN)
        change = FieldChange(field="passkey", after=passkey.name, subject=passkey.shown_id)
        await record_own_change(conn, world, user, visitor, change)
        draft = MailDraft(kind=UserMailKind.PASSKEY, user_id=user.id, locale=user.language)
        await send_mail(conn, sign_in, draft)
    return passkey


async def remove_passkey(sign_in: SignIn, user: User, passkey_id: UUID, visitor: Visitor) -> None:
    """Remove a passkey. Raises Missing; Conflict if the user could no longer sign in."""
    async with sign_in.acquire() as conn, conn.transaction():
        user = await lock_user(conn, user.id)
        name = await passkeys.drop_passkey(conn, passkey_id, user.id)
        await check_can_sign_in(conn, sign_in, user)
        change = FieldChange(field="passkey", before=name, subject=ids.show("pkey", passkey_id))
        await record_own_change(conn, sign_in.world, user, visitor, change)


async def begin_passkey_sign_in(sign_in: SignIn, visitor: Visitor) -> Mapping[str, Any]:
    """Return the options for signing in with a passkey, for any user. Raises Missing, RateLimited."""
    import webauthn  # noqa: PLC0415  slow to import, and rarely needed
    from webauthn.helpers.structs import UserVerificationRequirement  # noqa: PLC0415  likewise

    site = site_of(sign_in)
    await admit(sign_in, [(TOKENS_BY_ADDRESS, network_of(visitor))])
    async with sign_in.acquire() as conn:
        challenge = await _challenge(conn, sign_in, None)
    return _plain(
        webauthn.generate_authentication_options(
            rp_id=site.domain, challenge=challenge, user_verification=UserVerificationRequirement.REQUIRED
        )
    )


async def sign_in_with_passkey(
    sign_in: SignIn, credential: Mapping[str, Any], visitor: Visitor, *, replaces: str = ""
) -> NewSession:
    """Sign in the user whose passkey signed. Raises Missing, SignInRefused, RateLimited."""
    site, now = site_of(sign_in), sign_in.world.clock.now()
    await admit(sign_in, [(TOKENS_BY_ADDRESS, network_of(visitor))])
    challenge = _challenge_of(credential)
    async with sign_in.acquire() as conn:
        fits = await _use(conn, sign_in, challenge, None)  # used up, even if the sign-in fails
    async with sign_in.acquire() as conn, conn.transaction():
        passkey = await passkeys.lock_passkey(conn, _bytes(credential.get("rawId")))
        if not fits or passkey is None or not _is_of(passkey, credential):
            raise SignInRefused(_UNKNOWN).because(ErrorReason.PASSKEY_UNKNOWN)
        await passkeys.set_used(conn, passkey.id, _signed_count(credential, challenge, site, passkey), now)
        user = await lock_user(conn, passkey.user_id)
        return await begin_session(conn, sign_in, user, visitor, replaces=replaces)


def _signed_count(credential: Mapping[str, Any], challenge: bytes, site: PasskeySite, passkey: Passkey) -> int:
    """Return the authenticator's signature count. Raises SignInRefused if the signature is invalid, or if the count has
    not risen, which reveals a copied authenticator.
    """
    import webauthn  # noqa: PLC0415  slow to import, and rarely needed

    try:
        verified = webauthn.verify_authentication_response(
            credential=dict(credential),
            expected_challenge=challenge,
            expected_rp_id=site.domain,
            expected_origin=site.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except Exception:  # noqa: BLE001  as above
        raise SignInRefused(_UNKNOWN).because(ErrorReason.PASSKEY_UNKNOWN) from None
    count: int = verified.new_sign_count
    return count


def _is_of(passkey: Passkey, credential: Mapping[str, Any]) -> bool:
    """Return whether the authenticator names the passkey's user, or no user."""
    response = credential.get("response")
    said = response.get("userHandle") if isinstance(response, Mapping) else None
    return not said or hmac.compare_digest(_bytes(said), passkey.user_id.bytes)


async def _challenge(conn: asyncpg.Connection, sign_in: SignIn, user_id: UUID | None) -> bytes:
    challenge = sign_in.world.entropy.bytes(_CHALLENGE_BYTES)
    until = sign_in.world.clock.now() + _LASTS
    await passkeys.add_challenge(conn, _hash(sign_in, challenge), user_id, until)
    return challenge


async def _use(conn: asyncpg.Connection, sign_in: SignIn, challenge: bytes, user_id: UUID | None) -> bool:
    return await passkeys.use_challenge(conn, _hash(sign_in, challenge), user_id, sign_in.world.clock.now())


def _hash(sign_in: SignIn, challenge: bytes) -> bytes:
    return sign_in.hasher.hash("passkey", challenge.hex())


def _challenge_of(credential: Mapping[str, Any]) -> bytes:
    """Return the challenge in an authenticator's answer. Raises Rejected for an invalid answer."""
    response = credential.get("response")
    said = _bytes(response.get("clientDataJSON")) if isinstance(response, Mapping) else b""
    try:
        return _bytes(msgspec.json.decode(said, type=_ClientData).challenge)
    except (msgspec.MsgspecError, UnicodeError):
        raise Rejected("not a valid answer of an authenticator", param="credential").because(
            ErrorReason.PASSKEY_BEGIN_AGAIN
        ) from None


def _bytes(text: object) -> bytes:
    """Decode URL-safe base64 without padding, as browsers send it; return b"" if it is invalid."""
    if not isinstance(text, str) or len(text) > _LONGEST:
        return b""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""


def _plain(options: Any) -> Mapping[str, Any]:
    from webauthn.helpers import options_to_json  # noqa: PLC0415  slow to import, and rarely needed

    plain: dict[str, Any] = msgspec.json.decode(options_to_json(options))
    return plain
