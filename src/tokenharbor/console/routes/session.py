"""Routes of sign-up, sign-in, password reset and invitations, and of the session that they begin."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from tokenharbor.console.authority import RIGHTS, Right
from tokenharbor.console.context import AnyConnection, Caller, Conn, Context
from tokenharbor.console.cookies import (
    is_secure,
    remove_session_cookie,
    session_cookie,
    session_token,
    sign_up_cookie,
    sign_up_token,
)
from tokenharbor.console.guard import client_address
from tokenharbor.identity.members import Membership, list_memberships
from tokenharbor.identity.roles import AccountRole
from tokenharbor.identity.sessions import Visitor
from tokenharbor.identity.users import User, get_user, record_locale
from tokenharbor.kernel import ids
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.errors import PermissionDenied
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.signin import reset, sessions, sign_up, team
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.documents import UserDocument
from tokenharbor.signin.mails import LOCALES
from tokenharbor.signin.sessions import Credentials, NewSession
from tokenharbor.signin.sign_up import OpenedLink, SignUpForm

AnyRequest = Request[Any, Any, Any]


class MembershipDocument(Document, frozen=True):
    """An account of a user, and the user's rights on it. `grants` are the roles that the user may give and take."""

    id: str
    name: str
    role: AccountRole
    rights: Sequence[Right]
    grants: Sequence[AccountRole]


class SessionDocument(Document, frozen=True):
    """A user's session. If `secure` is false, the session can be intercepted: use TLS."""

    id: str
    secure: bool
    user: UserDocument
    accounts: Sequence[MembershipDocument]


class SignUpBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sign-up. `referral` is the referring account's code, `locale` the language of the page."""

    email: str
    password: str
    referral: str | None = None
    locale: str | None = None


class SignInBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sign-in. `totp` is a code of the authenticator app or a recovery code, if one is required."""

    email: str
    password: str
    totp: str | None = None


class LinkBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The token in a link."""

    token: str


class VerificationBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The token in a sign-up's link. `password` is required in a browser other than the one that signed up."""

    token: str
    password: str | None = None


class ResetMailBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The e-mail address of the user who forgot the password."""

    email: str


class NewPasswordBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The token in a link, and the new password."""

    token: str
    password: str


class AcceptanceBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The token in an invitation's link. `password` sets one for a user who has none yet."""

    token: str
    password: str | None = None


class AcceptedDocument(Document, frozen=True):
    """The account joined. If `signed_in` is false, no session has begun: sign in with your password."""

    account_id: str
    signed_in: bool


@post("/api/sign-up", right=Right.ANYBODY, status_code=202, operation_id="signUp", tags=["session"])
async def post_sign_up(data: JSONBody[SignUpBody], request: AnyRequest, context: Context) -> Response[None]:
    """Sign up. Sends a mail with a link. The answer is the same if the e-mail address already has an account.

    The cookie of the answer lets this browser open the link without choosing a password again.
    """
    form = SignUpForm(email=data.email, password=data.password, referral=data.referral or "", locale=data.locale or "")
    browser_token = await sign_up.sign_up(context.sign_in, form, visitor_of(request))
    return Response(None, status_code=202, cookies=[sign_up_cookie(request, browser_token)])


@post("/api/email-verification", right=Right.ANYBODY, operation_id="verifyEmail", tags=["session"])
async def post_verification(
    data: JSONBody[VerificationBody], request: AnyRequest, context: Context
) -> Response[SessionDocument]:
    """Open the link of a sign-up: creates the account and begins a session. A browser other than the one that signed up
    must send a password, else it gets 400 with `param` `password`.
    """
    opened = OpenedLink(token=data.token, browser_token=sign_up_token(request), password=data.password or "")
    begun = await sign_up.verify_email(context.sign_in, opened, visitor_of(request), replaces=_current_token(request))
    answer = await answer_session(request, context.sign_in, begun)
    answer.set_cookie(sign_up_cookie(request, ""))
    return answer


@post("/api/session", right=Right.ANYBODY, operation_id="signIn", tags=["session"])
async def post_session(data: JSONBody[SignInBody], request: AnyRequest, context: Context) -> Response[SessionDocument]:
    """Sign in. The error `totp_required` means that the password is right: send it again with a code."""
    credentials = Credentials(email=data.email, password=data.password, code=data.totp or "")
    begun = await sessions.sign_in_with_password(
        context.sign_in, credentials, visitor_of(request), replaces=_current_token(request)
    )
    return await answer_session(request, context.sign_in, begun)


@post("/api/operator-sign-in", right=Right.ANYBODY, operation_id="signInAsOperator", tags=["session"])
async def post_operator(data: JSONBody[LinkBody], request: AnyRequest, context: Context) -> Response[SessionDocument]:
    """Sign in as operator with the link that the server printed."""
    begun = await sessions.sign_in_as_operator(
        context.sign_in, data.token, visitor_of(request), replaces=_current_token(request)
    )
    return await answer_session(request, context.sign_in, begun)


@get("/api/session", right=Right.SIGNED_IN, operation_id="getSession", tags=["session"])
async def read_session(request: AnyRequest, caller: Caller, conn: Conn) -> SessionDocument:
    """Get the session: its user with their accounts and rights."""
    user = await get_user(conn, user_id_of(caller.user_id))
    await record_locale(conn, user, visitor_of(request).locale)  # pages call this first; mails use their language
    memberships = await list_memberships(conn, user.id)
    return _document(request, caller.session_id or user.id, user, memberships)


@delete("/api/session", right=Right.ANYBODY, operation_id="signOut", tags=["session"])
async def delete_session(request: AnyRequest, context: Context) -> Response[None]:
    """Sign out: ends the session."""
    await sessions.sign_out(context.sign_in, _current_token(request))
    return Response(None, status_code=204, cookies=[remove_session_cookie(request)])


@post("/api/password-reset", right=Right.ANYBODY, status_code=202, operation_id="askPasswordReset", tags=["session"])
async def post_reset(data: JSONBody[ResetMailBody], request: AnyRequest, context: Context) -> None:
    """Ask for a link to reset the password. It is mailed if the address has an account; the answer is the same
    if not.
    """
    await reset.ask_reset(context.sign_in, data.email, visitor_of(request))


@put("/api/password-reset", right=Right.ANYBODY, status_code=204, operation_id="resetPassword", tags=["session"])
async def put_reset(data: JSONBody[NewPasswordBody], request: AnyRequest, context: Context) -> None:
    """Set a new password with the token in a link. Ends all sessions."""
    await reset.reset_password(context.sign_in, data.token, data.password, visitor_of(request))


@post("/api/invitation-acceptance", right=Right.ANYBODY, operation_id="acceptInvitation", tags=["session"])
async def post_acceptance(
    data: JSONBody[AcceptanceBody], request: AnyRequest, context: Context
) -> Response[AcceptedDocument]:
    """Join an account with an invitation's link. A user without a password sets one, which begins a session."""
    visitor, current = visitor_of(request), _current_token(request)
    accepted = await team.accept_invitation(
        context.sign_in, data.token, visitor, password=data.password or "", replaces=current
    )
    begun = accepted.session
    cookies = [] if begun is None else [session_cookie(request, begun.token)]
    document = AcceptedDocument(account_id=ids.show("acct", accepted.account_id), signed_in=begun is not None)
    return Response(document, status_code=201, cookies=cookies)


SESSION_ROUTES: Final[Sequence[HTTPRouteHandler]] = (
    post_sign_up,
    post_verification,
    post_session,
    post_operator,
    read_session,
    delete_session,
    post_reset,
    put_reset,
    post_acceptance,
)


async def answer_session(request: AnyConnection, sign_in: SignIn, begun: NewSession) -> Response[SessionDocument]:
    """Answer with a new session and its cookie."""
    async with sign_in.acquire() as conn:
        memberships = await list_memberships(conn, begun.user.id)
    document = _document(request, begun.id, begun.user, memberships)
    return Response(document, status_code=201, cookies=[session_cookie(request, begun.token)])


def visitor_of(request: AnyConnection) -> Visitor:
    headers = request.headers
    return Visitor(client_address(request), headers.get("user-agent", ""), _asked_language(headers))


def _asked_language(headers: Mapping[str, str]) -> str:
    """Return the first language of `Accept-Language` that mails support, else "". Our pages send their own language."""
    wanted = headers.get("accept-language", "").split(",")
    plain = (each.partition(";")[0].strip().partition("-")[0] for each in wanted)
    return next((each for each in plain if each in LOCALES), "")


def user_id_of(user_id: UUID | None) -> UUID:
    """Return the id of a caller who is a user. Raises PermissionDenied for a management key."""
    if user_id is None:
        raise PermissionDenied("This request requires a signed-in user, not a management key.").because(
            ErrorReason.MEMBERS_ONLY
        )
    return user_id


def _current_token(request: AnyConnection) -> str:
    return session_token(request) or ""


def _document(
    request: AnyConnection, session_id: UUID, user: User, memberships: Sequence[Membership]
) -> SessionDocument:
    accounts = [
        MembershipDocument(
            id=ids.show("acct", each.account_id),
            name=each.account_name,
            role=each.role,
            rights=sorted(RIGHTS[each.role]),
            grants=[role for role in AccountRole if role in team.GRANTABLE[each.role]],
        )
        for each in memberships
    ]
    return SessionDocument(ids.show("sess", session_id), is_secure(request), UserDocument.of(user), accounts)
