"""The cookies of sessions, and of pending sign-ups and OpenID sign-ins: their names, and how they are set and removed.

Over TLS or loopback, names begin with `__Host-`: browsers accept such a cookie only from the host itself. On other
connections the cookie has a plain name and can be intercepted, and pages show a warning. Only the name that fits the
connection is read, so that a neighbouring host cannot set our session.
"""

from typing import Final
from urllib.parse import urlsplit

from litestar.datastructures import Cookie

from tokenharbor.console.context import AnyConnection
from tokenharbor.identity.sessions import LIFE
from tokenharbor.signin.openid import LASTS_SECONDS
from tokenharbor.signin.sign_up import VERIFY_LASTS

SECURE_COOKIE: Final = "__Host-th"
PLAIN_COOKIE: Final = "th"
_OPENID: Final = "-openid"
_SIGN_UP: Final = "-sign-up"

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def is_secure(connection: AnyConnection) -> bool:
    """Return whether the browser's connection is private (TLS or loopback), as reported by the gateway."""
    if connection.headers.get("x-forwarded-proto", "") == "https":
        return True
    host = connection.headers.get("x-forwarded-host") or connection.headers.get("host", "")
    try:
        return urlsplit(f"//{host}").hostname in _LOOPBACK
    except ValueError:
        return False


def session_token(connection: AnyConnection) -> str | None:
    """Return the token of the browser's session, None if there is none."""
    return connection.cookies.get(_name(connection)) or None


def session_cookie(connection: AnyConnection, token: str) -> Cookie:
    return _cookie(connection, token, int(LIFE.total_seconds()))


def remove_session_cookie(connection: AnyConnection) -> Cookie:
    """Return a cookie that removes the session's."""
    return _cookie(connection, "", 0)


def openid_cookie(connection: AnyConnection, sealed_request: str) -> Cookie:
    """Return the cookie of a pending OpenID sign-in; an empty `sealed_request` removes it."""
    return _cookie(connection, sealed_request, LASTS_SECONDS if sealed_request else 0, _OPENID)


def sealed_openid_request(connection: AnyConnection) -> str:
    """Return the sealed request of the browser's pending OpenID sign-in, "" if there is none."""
    return connection.cookies.get(_name(connection, _OPENID), "")


def sign_up_cookie(connection: AnyConnection, browser_token: str) -> Cookie:
    """Return the cookie of a sign-up whose link is not opened yet; an empty `browser_token` removes it."""
    return _cookie(connection, browser_token, int(VERIFY_LASTS.total_seconds()) if browser_token else 0, _SIGN_UP)


def sign_up_token(connection: AnyConnection) -> str:
    """Return the browser's token of its pending sign-up, "" if there is none."""
    return connection.cookies.get(_name(connection, _SIGN_UP), "")


def _name(connection: AnyConnection, ending: str = "") -> str:
    return (SECURE_COOKIE if is_secure(connection) else PLAIN_COOKIE) + ending


def _cookie(connection: AnyConnection, token: str, seconds: int, ending: str = "") -> Cookie:
    return Cookie(
        key=_name(connection, ending),
        value=token,
        max_age=seconds,
        path="/",
        secure=is_secure(connection),
        httponly=True,
        samesite="lax",
    )
