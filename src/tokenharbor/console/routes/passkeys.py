"""Routes of passkeys: a user's own, and the sign-in by one. What the browser's authenticator is asked, and says, passes
as WebAuthn's JSON has it.
"""

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
    """`password` "" of who has none."""

    password: str = ""


class PasskeyOptionsDocument(Document, frozen=True):
    """What a page gives to `PublicKeyCredential.parse…OptionsFromJSON`."""

    options: Mapping[str, Any]


class NewPasskeyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What it is to be called, and what the authenticator made (`PublicKeyCredential.toJSON`)."""

    name: str
    credential: dict[str, Any]


class PasskeySignInBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the authenticator signed (`PublicKeyCredential.toJSON`)."""

    credential: dict[str, Any]


@get("/api/user/passkeys", right=Right.SIGNED_IN, operation_id="listPasskeys", tags=["user"])
async def show_passkeys(caller: Caller, conn: Conn) -> Page[PasskeyDocument]:
    """Your own, oldest first."""
    rows = await list_passkeys(conn, user_id_of(caller.user_id))
    return Page([PasskeyDocument.of(row) for row in rows], None)


@post("/api/user/passkeys/options", right=Right.SIGNED_IN, operation_id="beginPasskey", tags=["user"])
async def begin(data: JSONBody[PasskeyStartBody], caller: Caller, context: Context) -> PasskeyOptionsDocument:
    """What an authenticator is asked for, to make you a passkey. It is valid for five minutes."""
    async with context.sign_in.acquire() as conn:
        user = await get_user(conn, user_id_of(caller.user_id))
    return PasskeyOptionsDocument(await passkeys.begin_passkey(context.sign_in, user, data.password))


@post("/api/user/passkeys", right=Right.SIGNED_IN, operation_id="addPasskey", tags=["user"])
async def add(data: JSONBody[NewPasskeyBody], request: AnyRequest, caller: Caller, context: Context) -> PasskeyDocument:
    """The passkey that an authenticator has made."""
    async with context.sign_in.acquire() as conn:
        user = await get_user(conn, user_id_of(caller.user_id))
    visitor = visitor_of(request)
    return PasskeyDocument.of(await passkeys.add_passkey(context.sign_in, user, data.name, data.credential, visitor))


@delete("/api/user/passkeys/{passkey_id:str}", right=Right.SIGNED_IN, operation_id="removePasskey", tags=["user"])
async def remove(passkey_id: FromPath[str], request: AnyRequest, caller: Caller, context: Context) -> None:
    """It signs you in no more. Who has no other way to sign in sets a password first (409)."""
    async with context.sign_in.acquire() as conn:
        user = await get_user(conn, user_id_of(caller.user_id))
    await passkeys.remove_passkey(context.sign_in, user, parse_id("pkey", passkey_id), visitor_of(request))


@post("/api/passkey-options", right=Right.ANYBODY, operation_id="beginPasskeySignIn", tags=["session"])
async def begin_sign_in(request: AnyRequest, context: Context) -> PasskeyOptionsDocument:
    """What an authenticator is asked for, to sign somebody in. It is valid for five minutes."""
    return PasskeyOptionsDocument(await passkeys.begin_passkey_sign_in(context.sign_in, visitor_of(request)))


@post("/api/passkey-session", right=Right.ANYBODY, operation_id="signInByPasskey", tags=["session"])
async def sign_in(
    data: JSONBody[PasskeySignInBody], request: AnyRequest, context: Context
) -> Response[SessionDocument]:
    """Sign in by a passkey; no code is asked for."""
    shown = session_token(request) or ""
    begun = await passkeys.enter_by_passkey(context.sign_in, data.credential, visitor_of(request), replaces=shown)
    return await answer_session(request, context.sign_in, begun)


PASSKEY_ROUTES: Final[Sequence[HTTPRouteHandler]] = (show_passkeys, begin, add, remove, begin_sign_in, sign_in)
