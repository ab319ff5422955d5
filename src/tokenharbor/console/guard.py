"""The guard of all routes: who asks, whether a browser asks on another site's behalf, and whether they may.

A caller presents a management key (`Authorization: Bearer thm_live_…`) or a session's cookie. A browser sends the
cookie whoever made the page that asks. So whatever changes something by cookie must come from a page of ours, which
browsers say by `Sec-Fetch-Site` or `Origin`, and have a JSON body, which a form of another site cannot send.
"""

from litestar.connection import Request
from litestar.handlers.base import BaseRouteHandler

from tokenharbor.console.authority import RIGHTS, Right
from tokenharbor.console.context import AnyConnection, context_of
from tokenharbor.console.cookies import session_token
from tokenharbor.console.principal import Principal
from tokenharbor.identity.keys import PREFIX
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import InvalidApiKey, MethodNotAllowed, NotFound, PermissionDenied, UnsupportedEncoding
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.reasons import ErrorReason

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_SAME_SITE = frozenset({"same-origin", "none"})  # none: a person's own doing, such as the address bar
_BEARER = "bearer "


async def check_access(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Before each handler. Raises InvalidApiKey, PermissionDenied, NotFound."""
    right: Right | None = handler.opt.get("right")
    if right is None:  # OPTIONS, which the framework adds to each path
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
        raise PermissionDenied(f"This needs the right {right.value}.").because(
            ErrorReason.RIGHT_MISSING, right=right.value
        )


async def _check_program(connection: AnyConnection, key: str | None, right: Right) -> None:
    """Of a path that names no account: the management key's own. A browser's cookie opens none of them."""
    if key is None or key.startswith(PREFIX):
        raise InvalidApiKey("This needs a management key, not an API key: Authorization: Bearer thm_live_…").because(
            ErrorReason.MANAGEMENT_KEY_UNKNOWN
        )
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
    """The caller's address as the gateway knows it; only the gateway reaches our socket. "" without a gateway."""
    return connection.headers.get("x-forwarded-for", "")


def refuse_cross_site(connection: AnyConnection) -> None:
    """A change that a browser may ask for on another site's behalf. Raises PermissionDenied, UnsupportedEncoding."""
    headers = connection.headers
    if not isinstance(connection, Request) or connection.method in _SAFE:
        return
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        ours = site in _SAME_SITE
    elif origin is not None:
        ours = origin.partition("://")[2] == (headers.get("x-forwarded-host") or headers.get("host"))
    else:
        ours = session_token(connection) is None  # no browser: nothing is sent that the caller did not mean
    if not ours:
        raise PermissionDenied("This change was asked for by a page of another site.").because(ErrorReason.OTHER_SITE)
    sends = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    if sends and headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedEncoding("Send the body as JSON: content-type: application/json")


def refuse_led_here(connection: AnyConnection) -> None:
    """A GET that begins something: not where a page of another site leads to it. Raises PermissionDenied."""
    if connection.headers.get("sec-fetch-site", "none") not in _SAME_SITE:
        raise PermissionDenied("Begin this on a page of ours.").because(ErrorReason.OTHER_SITE)


def is_of_our_page(connection: AnyConnection) -> bool:
    """Whether a page of ours asks, as the browser says; without TLS it says so by the page's address only."""
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
    """The account, if the principal has the right there. What is somebody else's looks like what is not there."""
    role = None if account_id is None else principal.roles.get(account_id)
    if account_id is None or (role is None and not (principal.operator and right is Right.READ)):
        raise NotFound("There is no such account.")
    if role is not None and right not in RIGHTS[role]:
        raise PermissionDenied(f"The role {role.value} may not do this. It needs the right {right.value}.").because(
            ErrorReason.RIGHT_MISSING, right=right.value
        )
    return account_id


def _may(principal: Principal, right: Right) -> bool:
    return principal.operator if right is Right.OPERATE else principal.user_id is not None
