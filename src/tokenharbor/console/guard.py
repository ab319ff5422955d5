"""The guard of all routes: authenticates the caller, refuses cross-site requests, and checks the route's right.

A caller presents a management key (`Authorization: Bearer thm_live_…`) or a session's cookie. Browsers also send the
cookie with requests from other sites' pages. So a change authenticated by cookie must come from a page of ours, as
`Sec-Fetch-Site` or `Origin` shows, and have a JSON body, which a form on another site cannot send.
"""

import asyncpg
from litestar.connection import Request
from litestar.handlers.base import BaseRouteHandler

from tokenharbor.console.authority import RIGHTS, Right
from tokenharbor.console.context import AnyConnection, context_of
from tokenharbor.console.cookies import session_token
from tokenharbor.console.principal import Principal
from tokenharbor.identity.changes import lock_account
from tokenharbor.identity.keys import PREFIX
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import InvalidApiKey, MethodNotAllowed, NotFound, PermissionDenied, UnsupportedEncoding
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.reasons import ErrorReason

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_SAME_SITE = frozenset({"same-origin", "none"})  # none: started by the user, such as in the address bar
_BEARER = "bearer "


async def check_access(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Check access before a handler runs. Raises InvalidApiKey, PermissionDenied, NotFound."""
    right: Right | None = handler.opt.get("right")
    if right is None:  # OPTIONS, added to each path by the framework
        raise MethodNotAllowed("This path does not support this method.")
    key = _management_key(connection)
    if handler.opt.get("by_management_key"):
        await _check_program(connection, key, right)
        return
    if key is None:
        refuse_cross_site(connection)
    if right is Right.ANYBODY:
        return
    principal = await _authenticate(connection, key)
    connection.scope["user"] = principal
    if "account_id" in connection.path_params:
        connection.scope["auth"] = _account(principal, _named_account(connection.path_params["account_id"]), right)
    elif not _may(principal, right):
        raise PermissionDenied(f"This request requires the right {right.value}.").because(
            ErrorReason.RIGHT_MISSING, right=right.value
        )


async def check_again(connection: AnyConnection, conn: asyncpg.Connection) -> None:
    """Lock the account of a change, and check in its transaction that the caller still has the same role.

    The caller was authenticated before the transaction began. Whatever ends access (a removal, the undo of an e-mail
    change) locks the account too; so it waits for this change and sees it, or has ended the access of its caller.

    Raises InvalidApiKey.
    """
    principal: Principal | None = connection.scope.get("user")
    account_id: UUID | None = connection.scope.get("auth")
    role = None if principal is None or account_id is None else principal.roles.get(account_id)
    if principal is None or account_id is None or role is None:  # role: an operator, who may not change it
        return
    await lock_account(conn, account_id)
    now = await context_of(connection).authenticator.find_role(conn, principal, account_id)
    if now is not role:
        raise InvalidApiKey("Your access to this account has just ended or changed.").because(
            ErrorReason.MANAGEMENT_KEY_UNKNOWN if principal.user_id is None else ErrorReason.SIGN_IN_NEEDED
        )


async def _check_program(connection: AnyConnection, key: str | None, right: Right) -> None:
    """Check access to a path without an account: it is the management key's account. Cookies are not accepted."""
    if key is None or key.startswith(PREFIX):
        raise InvalidApiKey(
            "This request requires a management key, not an API key: Authorization: Bearer thm_live_…"
        ).because(ErrorReason.MANAGEMENT_KEY_UNKNOWN)
    principal = await _authenticate(connection, key)
    (account_id,) = principal.roles
    connection.scope["user"] = principal
    connection.scope["auth"] = _account(principal, account_id, right)


async def _authenticate(connection: AnyConnection, key: str | None) -> Principal:
    authenticator = context_of(connection).authenticator
    if key is not None:
        found = await authenticator.by_management_key(key)
        if found is None:
            raise InvalidApiKey("This management key is unknown, revoked or expired.").because(
                ErrorReason.MANAGEMENT_KEY_UNKNOWN
            )
        return found
    token = session_token(connection)
    found = None if token is None else await authenticator.by_session(token, client_address(connection))
    if found is None:
        raise InvalidApiKey("Sign in, or send a management key: Authorization: Bearer thm_live_…").because(
            ErrorReason.SIGN_IN_NEEDED
        )
    return found


def client_address(connection: AnyConnection) -> str:
    """Return the client's address as set by the gateway, the only one that can connect; "" without a gateway."""
    return connection.headers.get("x-forwarded-for", "")


def refuse_cross_site(connection: AnyConnection) -> None:
    """Refuse a change that a page of another site may have sent. Raises PermissionDenied, UnsupportedEncoding."""
    headers = connection.headers
    if not isinstance(connection, Request) or connection.method in _SAFE:
        return
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        is_ours = site in _SAME_SITE
    elif origin is not None:
        is_ours = origin.partition("://")[2] == (headers.get("x-forwarded-host") or headers.get("host"))
    else:
        is_ours = session_token(connection) is None  # without these headers, not a browser: safe without its cookie
    if not is_ours:
        raise PermissionDenied("This request came from a page of another site.").because(ErrorReason.OTHER_SITE)
    sends = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    if sends and headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedEncoding("Send the body as JSON: content-type: application/json")


def refuse_cross_site_navigation(connection: AnyConnection) -> None:
    """Refuse a GET that begins an action if a page of another site led to it. Raises PermissionDenied."""
    if connection.headers.get("sec-fetch-site", "none") not in _SAME_SITE:
        raise PermissionDenied("Start this on a page of this site.").because(ErrorReason.OTHER_SITE)


def is_from_our_page(connection: AnyConnection) -> bool:
    """Return whether the browser says that a page of ours sent the request. Without TLS, only `Referer` shows it."""
    headers = connection.headers
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    page = headers.get("referer", "").partition("://")[2].partition("/")[0]
    return page == (headers.get("x-forwarded-host") or headers.get("host"))


def _management_key(connection: AnyConnection) -> str | None:
    stated = connection.headers.get("authorization", "")
    return stated[len(_BEARER) :].strip() if stated.lower().startswith(_BEARER) else None


def _named_account(shown: str) -> UUID | None:
    try:
        return ids.parse("acct", shown)
    except ValueError:
        return None


def _account(principal: Principal, account_id: UUID | None, right: Right) -> UUID:
    """Return the account if the principal has the right on it. Another's account is answered like a missing one."""
    role = None if account_id is None else principal.roles.get(account_id)
    if account_id is None or (role is None and not (principal.operator and right is Right.READ)):
        raise NotFound("There is no such account.")
    if role is not None and right not in RIGHTS[role]:
        raise PermissionDenied(
            f"The role {role.value} lacks the right {right.value}, which this request requires."
        ).because(ErrorReason.RIGHT_MISSING, right=right.value)
    return account_id


def _may(principal: Principal, right: Right) -> bool:
    return principal.operator if right is Right.OPERATE else principal.user_id is not None
