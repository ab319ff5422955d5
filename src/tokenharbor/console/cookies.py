"""The session's cookie: its name, and how it is set and dropped.

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

SECURE_COOKIE: Final = "__Host-th"
PLAIN_COOKIE: Final = "th"

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
    cookie = _cookie(connection, kept, LASTS_SECONDS if kept else 0)
    cookie.key = _openid_name(connection)
    return cookie


def openid_kept(connection: AnyConnection) -> str:
    return connection.cookies.get(_openid_name(connection), "")


def _openid_name(connection: AnyConnection) -> str:
    return f"{_name(connection)}-openid"


def _name(connection: AnyConnection) -> str:
    return SECURE_COOKIE if is_secure(connection) else PLAIN_COOKIE


def _cookie(connection: AnyConnection, token: str, seconds: int) -> Cookie:
    return Cookie(
        key=_name(connection),
        value=token,
        max_age=seconds,
        path="/",
        secure=is_secure(connection),
        httponly=True,
        samesite="lax",
    )
