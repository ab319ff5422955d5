"""The session's cookie and those of what is under way: their names, and how they are set and dropped.

Behind TLS, and on this machine, its name begins with `__Host-`: browsers take such a cookie only from the host itself,
over TLS or loopback. Elsewhere it is a plain one, which whoever listens can read: pages show a warning. Only the name
that fits the connection is read, so that a neighbouring host cannot set the session of ours.
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
    """Whether nobody else can read what the browser sends, as the gateway and the proxies that it trusts say."""
    if connection.headers.get("x-forwarded-proto", "") == "https":
        return True
    host = connection.headers.get("x-forwarded-host") or connection.headers.get("host", "")
    try:
        return urlsplit(f"//{host}").hostname in _LOOPBACK
    except ValueError:
        return False


def session_token(connection: AnyConnection) -> str | None:
    """What the browser shows as its session."""
    return connection.cookies.get(_name(connection)) or None


def session_cookie(connection: AnyConnection, token: str) -> Cookie:
    return _cookie(connection, token, int(LIFE.total_seconds()))


def no_cookie(connection: AnyConnection) -> Cookie:
    """Takes it away."""
    return _cookie(connection, "", 0)


def openid_cookie(connection: AnyConnection, kept: str) -> Cookie:
    """What the browser keeps while somebody is at another service; "" takes it away."""
    return _cookie(connection, kept, LASTS_SECONDS if kept else 0, _OPENID)


def openid_kept(connection: AnyConnection) -> str:
    return connection.cookies.get(_name(connection, _OPENID), "")


def sign_up_cookie(connection: AnyConnection, mark: str) -> Cookie:
    """What the browser keeps until the link of its sign-up is opened; "" takes it away."""
    return _cookie(connection, mark, int(VERIFY_LASTS.total_seconds()) if mark else 0, _SIGN_UP)


def sign_up_mark(connection: AnyConnection) -> str:
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
