"""Routes of a user's own profile, password, second factor and sessions."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar import Request, Response, delete, get, patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from tokenharbor.console.authority import Right
from tokenharbor.console.context import Caller, Conn, Context
from tokenharbor.console.lists import Page, parse_id
from tokenharbor.console.routes.session import SessionDocument, answer_session, user_id_of, visitor_of
from tokenharbor.identity import sessions
from tokenharbor.identity.users import get_user
from tokenharbor.signin import profile
from tokenharbor.signin.documents import (
    RecoveryCodesDocument,
    TotpSetupDocument,
    UserDocument,
    UserSessionDocument,
)
from tokenharbor.signin.profile import ProfileChange

AnyRequest = Request[Any, Any, Any]


class PasswordBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change of password. `current` is empty if the user has none yet."""

    current: str
    new: str


class TotpSetupBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The user's password; empty if there is none."""

    password: str = ""


class TotpBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A code of the authenticator app."""

    code: str


class SecondFactorBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A code of the authenticator app, or a recovery code. `password` is empty if the user has none."""

    code: str
    password: str = ""


@get("/api/user", right=Right.SIGNED_IN, operation_id="getUser", tags=["user"])
async def read_user(caller: Caller, conn: Conn) -> UserDocument:
    """Get the signed-in user."""
    return UserDocument.of(await get_user(conn, user_id_of(caller.user_id)))


@patch("/api/user", right=Right.SIGNED_IN, operation_id="changeUser", tags=["user"])
async def change_user(data: JSONBody[ProfileChange], caller: Caller, conn: Conn) -> UserDocument:
    """Change your profile. Fields not given stay as they are."""
    return UserDocument.of(await profile.change_profile(conn, user_id_of(caller.user_id), data))


@put("/api/user/password", right=Right.SIGNED_IN, operation_id="changePassword", tags=["user"])
async def change_password(
    data: JSONBody[PasswordBody], request: AnyRequest, caller: Caller, context: Context
) -> Response[SessionDocument]:
    """Change your password. Ends all sessions, and begins a new one."""
    async with context.sign_in.acquire() as conn:
        user = await get_user(conn, user_id_of(caller.user_id))
    begun = await profile.change_password(context.sign_in, user, data.current, data.new, visitor_of(request))
    return await answer_session(request, context.sign_in, begun)


@get("/api/user/sessions", right=Right.SIGNED_IN, operation_id="listSessions", tags=["user"])
async def list_sessions(caller: Caller, conn: Conn, context: Context) -> Page[UserSessionDocument]:
    """List your open sessions, the last used first."""
    rows = await sessions.list_sessions(conn, user_id_of(caller.user_id), context.world.clock.now())
    return Page([UserSessionDocument.of(row, caller.session_id) for row in rows], None)


@delete("/api/user/sessions/{session_id:str}", right=Right.SIGNED_IN, operation_id="endSession", tags=["user"])
async def end_session(session_id: FromPath[str], caller: Caller, conn: Conn, context: Context) -> None:
    """End one of your sessions."""
    await profile.end_session(conn, context.sign_in, user_id_of(caller.user_id), parse_id("sess", session_id))


@delete("/api/user/sessions", right=Right.SIGNED_IN, operation_id="endOtherSessions", tags=["user"])
async def end_other_sessions(caller: Caller, conn: Conn, context: Context) -> None:
    """End all your sessions except this one."""
    await profile.end_other_sessions(conn, context.sign_in, user_id_of(caller.user_id), caller.session_id)


@post("/api/user/totp", right=Right.SIGNED_IN, operation_id="setUpTotp", tags=["user"])
async def set_up_totp(data: JSONBody[TotpSetupBody], caller: Caller, context: Context) -> TotpSetupDocument:
    """Get a secret for an authenticator app. Confirm it with a code (`confirmTotp`)."""
    async with context.sign_in.acquire() as conn:
        user = await get_user(conn, user_id_of(caller.user_id))
    setup = await profile.set_up_totp(context.sign_in, user, data.password)
    return TotpSetupDocument(setup.secret, setup.uri, setup.svg)


@put("/api/user/totp", right=Right.SIGNED_IN, operation_id="confirmTotp", tags=["user"])
async def confirm_totp(
    data: JSONBody[TotpBody], request: AnyRequest, caller: Caller, context: Context
) -> RecoveryCodesDocument:
    """Confirm the authenticator app. From now on, sign-in requires a code."""
    async with context.sign_in.acquire() as conn:
        user = await get_user(conn, user_id_of(caller.user_id))
    return RecoveryCodesDocument(await profile.confirm_totp(context.sign_in, user, data.code, visitor_of(request)))


@delete("/api/user/totp", right=Right.SIGNED_IN, operation_id="dropTotp", tags=["user"])
async def drop_totp(data: JSONBody[SecondFactorBody], request: AnyRequest, caller: Caller, context: Context) -> None:
    """Remove the authenticator app. Sign-in no longer requires a code."""
    async with context.sign_in.acquire() as conn:
        user = await get_user(conn, user_id_of(caller.user_id))
    visitor = visitor_of(request)
    await profile.drop_totp(context.sign_in, user, password=data.password, code=data.code, visitor=visitor)


@post("/api/user/recovery-codes", right=Right.SIGNED_IN, operation_id="remakeRecoveryCodes", tags=["user"])
async def remake_recovery_codes(
    data: JSONBody[SecondFactorBody], request: AnyRequest, caller: Caller, context: Context
) -> RecoveryCodesDocument:
    """Create ten new recovery codes, shown only in this answer. The old ones stop working."""
    async with context.sign_in.acquire() as conn:
        user = await get_user(conn, user_id_of(caller.user_id))
    visitor = visitor_of(request)
    made = await profile.remake_recovery_codes(
        context.sign_in, user, password=data.password, code=data.code, visitor=visitor
    )
    return RecoveryCodesDocument(made)


USER_ROUTES: Final[Sequence[HTTPRouteHandler]] = (
    read_user,
    change_user,
    change_password,
    list_sessions,
    end_session,
    end_other_sessions,
    set_up_totp,
    confirm_totp,
    drop_totp,
    remake_recovery_codes,
)
