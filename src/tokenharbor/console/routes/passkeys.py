"""Routes of a user's passkeys, and of sign-in with one. Options and answers of authenticators are WebAuthn JSON."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from tokenharbor.console.authority import Right
from tokenharbor.console.context import Caller, Conn, Context
from tokenharbor.console.cookies import session_token
from tokenharbor.console.lists import Page, parse_id
from tokenharbor.console.routes.session import SessionDocument, answer_session, user_id_of, visitor_of
from tokenharbor.identity.passkeys import list_passkeys
from tokenharbor.identity.users import get_user
from tokenharbor.kernel.documents import Document
from tokenharbor.signin import passkeys
from tokenharbor.signin.documents import PasskeyDocument

AnyRequest = Request[Any, Any, Any]


class PasskeyStartBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The user's password; empty if there is none."""

    password: str = ""


class PasskeyOptionsDocument(Document, frozen=True):
    """Options for `PublicKeyCredential.parse…OptionsFromJSON`."""

    options: Mapping[str, Any]


class NewPasskeyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The passkey's name, and the authenticator's answer (`PublicKeyCredential.toJSON`)."""

    name: str
    credential: dict[str, Any]


class PasskeySignInBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The authenticator's signed answer (`PublicKeyCredential.toJSON`)."""

    credential: dict[str, Any]


@get("/api/user/passkeys", right=Right.SIGNED_IN, operation_id="listPasskeys", tags=["user"])
async def show_passkeys(caller: Caller, conn: Conn) -> Page[PasskeyDocument]:
    """List your passkeys, oldest first."""
    rows = await list_passkeys(conn, user_id_of(caller.user_id))
    return Page([PasskeyDocument.of(row) for row in rows], None)


@post("/api/user/passkeys/options", right=Right.SIGNED_IN, operation_id="beginPasskey", tags=["user"])
async def begin(data: JSONBody[PasskeyStartBody], caller: Caller, context: Context) -> PasskeyOptionsDocument:
    """Get the options for creating a passkey. They are valid for five minutes."""
    async with context.sign_in.acquire() as conn:
        user = await get_user(conn, user_id_of(caller.user_id))
    return PasskeyOptionsDocument(await passkeys.begin_passkey(context.sign_in, user, data.password))


@post("/api/user/passkeys", right=Right.SIGNED_IN, operation_id="addPasskey", tags=["user"])
async def add(data: JSONBody[NewPasskeyBody], request: AnyRequest, caller: Caller, context: Context) -> PasskeyDocument:
    """Add a passkey created by an authenticator."""
    async with context.sign_in.acquire() as conn:
        user = await get_user(conn, user_id_of(caller.user_id))
    visitor = visitor_of(request)
    return PasskeyDocument.of(await passkeys.add_passkey(context.sign_in, user, data.name, data.credential, visitor))


@delete("/api/user/passkeys/{passkey_id:str}", right=Right.SIGNED_IN, operation_id="removePasskey", tags=["user"])
async def remove(passkey_id: FromPath[str], request: AnyRequest, caller: Caller, context: Context) -> None:
    """Remove a passkey. 409 if you have no other way to sign in: set a password first."""
    async with context.sign_in.acquire() as conn:
        user = await get_user(conn, user_id_of(caller.user_id))
    await passkeys.remove_passkey(context.sign_in, user, parse_id("pkey", passkey_id), visitor_of(request))


@post("/api/passkey-options", right=Right.ANYBODY, operation_id="beginPasskeySignIn", tags=["session"])
async def begin_sign_in(request: AnyRequest, context: Context) -> PasskeyOptionsDocument:
    """Get the options for signing in with a passkey. They are valid for five minutes."""
    return PasskeyOptionsDocument(await passkeys.begin_passkey_sign_in(context.sign_in, visitor_of(request)))


@post("/api/passkey-session", right=Right.ANYBODY, operation_id="signInByPasskey", tags=["session"])
async def sign_in(
    data: JSONBody[PasskeySignInBody], request: AnyRequest, context: Context
) -> Response[SessionDocument]:
    """Sign in with a passkey. No second factor is required."""
    shown = session_token(request) or ""
    begun = await passkeys.sign_in_with_passkey(context.sign_in, data.credential, visitor_of(request), replaces=shown)
    return await answer_session(request, context.sign_in, begun)


PASSKEY_ROUTES: Final[Sequence[HTTPRouteHandler]] = (show_passkeys, begin, add, remove, begin_sign_in, sign_in)
