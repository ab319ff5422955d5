"""Connections of tools: a user agrees on a page, with limits, and the tool fetches its own API key once.

A tool without a browser shows a code for the user to type (RFC 8628). A tool with a browser on its machine gets a code
at its loopback address, and proves by PKCE that it made the request. Browsers are redirected to no other address.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode, urlsplit

import asyncpg

from tokenharbor.identity import connections
from tokenharbor.identity.changes import lock_account
from tokenharbor.identity.connections import ConnectionHashes, PendingConnection, ToolConnection, ToolConsent
from tokenharbor.identity.sessions import Visitor
from tokenharbor.identity.tokens import LONGEST_TOKEN, make_token
from tokenharbor.kernel.errors import ConsentPending, Missing, Rejected
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.limits import CODES_TYPED, POLLS, POLLS_BY_ADDRESS, TOKENS_BY_ADDRESS, admit, network_of
from tokenharbor.signin.profile import check_name

LASTS: Final = timedelta(minutes=10)
POLL_SECONDS: Final = 5

_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels, so no words; no letters that look alike
_USER_CODE_LETTERS = 8
_FAIR = 256 - 256 % len(_LETTERS)
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

Check = Callable[[asyncpg.Connection], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class DeviceCodes:
    """The code that the tool shows (`user_code`), and the one that it fetches the key with."""

    device_code: str = field(repr=False)
    user_code: str


async def request_by_device(sign_in: SignIn, name: str, visitor: Visitor) -> DeviceCodes:
    """Store a tool's request, and return its codes. Raises RateLimited, Rejected."""
    await admit(sign_in, [(TOKENS_BY_ADDRESS, network_of(visitor))])
    world = sign_in.world
    codes, now = DeviceCodes(make_token(world.entropy), _user_code(world.entropy.bytes)), world.clock.now()
    connection = ToolConnection(id=world.ids.new(), name=_named(name), asker=visitor)
    async with sign_in.acquire() as conn:
        hashes = ConnectionHashes(_hash(sign_in, codes.device_code), _hash_typed(sign_in, codes.user_code))
        await connections.add_connection(conn, connection, hashes, now, now + LASTS)
    return codes


async def find_pending_connection(sign_in: SignIn, typed: str, user_id: str) -> PendingConnection:
    """Return the request under a typed code. Raises Missing, RateLimited."""
    await admit(sign_in, [(CODES_TYPED, user_id)])
    async with sign_in.acquire() as conn, conn.transaction():
        return await _asked(conn, sign_in, typed)


async def agree(sign_in: SignIn, typed: str, consent: ToolConsent, check: Check | None = None) -> None:
    """Record consent: the tool may fetch its key. `check` raises if its giver no longer may. Raises Missing,
    RateLimited.
    """
    await admit(sign_in, [(CODES_TYPED, consent.agreed_by)])
    async with sign_in.acquire() as conn, conn.transaction():
        if check is not None:
            await check(conn)
        await connections.agree(conn, (await _asked(conn, sign_in, typed)).id, consent)


async def refuse(sign_in: SignIn, typed: str, user_id: str) -> None:
    """Refuse a tool's request. Raises Missing, RateLimited."""
    await admit(sign_in, [(CODES_TYPED, user_id)])
    async with sign_in.acquire() as conn, conn.transaction():
        await connections.refuse(conn, (await _asked(conn, sign_in, typed)).id, sign_in.world.clock.now())


async def agree_by_browser(
    conn: asyncpg.Connection, sign_in: SignIn, asked: "BrowserRequest", consent: ToolConsent
) -> str:
    """Record consent given on a page that the tool opened; return the URL to redirect to. Raises Rejected."""
    if _CHALLENGE.fullmatch(asked.challenge) is None:
        raise Rejected("code_challenge must be the S256 of the verifier: 43 characters", param="code_challenge")
    back = _loopback(asked.redirect_uri)
    world = sign_in.world
    code, now = make_token(world.entropy), world.clock.now()
    connection = ToolConnection(id=world.ids.new(), name=_named(asked.name), challenge=asked.challenge, consent=consent)
    await connections.add_connection(conn, connection, ConnectionHashes(_hash(sign_in, code)), now, now + LASTS)
    query = {"code": code} | ({"state": asked.state} if asked.state else {})
    return f"{back}{'&' if '?' in back else '?'}{urlencode(query)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserRequest:
    """A tool's request through the browser, with its PKCE challenge and loopback address."""

    name: str
    challenge: str
    redirect_uri: str
    state: str = ""


async def admit_fetch(sign_in: SignIn, code: str, visitor: Visitor) -> None:
    """Count a fetch. Call this before `take_connection`, outside its transaction. Raises RateLimited."""
    await admit(sign_in, [(POLLS_BY_ADDRESS, network_of(visitor)), (POLLS, code[: LONGEST_TOKEN + 1])])


async def take_connection(
    conn: asyncpg.Connection, sign_in: SignIn, code: str, verifier: str
) -> tuple[str, ToolConsent]:
    """Return the tool's name and the consent, once. Call this in the transaction that creates the key. It locks the
    account before the consent, as do all who end consents and then look which keys there are.

    Raises Rejected for a code that is unknown, used, refused or expired; ConsentPending.
    """
    now, secret = sign_in.world.clock.now(), _hash(sign_in, code[: LONGEST_TOKEN + 1])
    account_id = await connections.find_consented_account(conn, secret)
    if account_id is not None:
        await lock_account(conn, account_id)
    connection = await connections.find_waiting(conn, secret, now)
    if connection is None or not _proves(verifier, connection.challenge):
        raise Rejected("this code was used or refused, or has expired: ask again", param="code").because(
            ErrorReason.CONNECT_OVER
        )
    if connection.consent is None or connection.consent.account_id != account_id:  # the consent has just been given
        raise ConsentPending(f"Nobody has agreed yet: ask again in {POLL_SECONDS} seconds.")
    await connections.end_connection(conn, connection.id, now)
    return connection.name, connection.consent


async def _asked(conn: asyncpg.Connection, sign_in: SignIn, typed: str) -> PendingConnection:
    found = await connections.find_pending(conn, _hash_typed(sign_in, typed), sign_in.world.clock.now())
    if found is None:
        raise Missing("no tool waits under this code: compare it, or let the tool ask again").because(
            ErrorReason.CONNECT_UNKNOWN
        )
    return found


def _proves(verifier: str, challenge: str) -> bool:
    if not challenge:
        return not verifier
    if _VERIFIER.fullmatch(verifier) is None:
        return False
    made = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    return hmac.compare_digest(made, challenge)


def _loopback(uri: str) -> str:
    """Return the tool's loopback address. Raises Rejected for any other address."""
    try:
        parts = urlsplit(uri)
        fits = parts.scheme == "http" and parts.hostname in _LOOPBACK and parts.port is not None
    except ValueError:
        fits = False
    plain = uri.isascii() and uri.isprintable() and not set(uri) & set(" \\#@<>\"'")
    if not fits or not plain or len(uri) > LONGEST_TOKEN:
        raise Rejected("redirect_uri must be a loopback address: http://127.0.0.1:PORT/…", param="redirect_uri")
    return uri


def _named(name: str) -> str:
    plain = check_name(name)
    if not plain:
        raise Rejected("a tool must state its name", param="name")
    return plain


def _user_code(draw: Callable[[int], bytes]) -> str:
    letters: list[str] = []
    while len(letters) < _USER_CODE_LETTERS:
        letters += [_LETTERS[byte % len(_LETTERS)] for byte in draw(16) if byte < _FAIR]
    code = "".join(letters[:_USER_CODE_LETTERS])
    return f"{code[:4]}-{code[4:]}"


def _hash(sign_in: SignIn, code: str) -> bytes:
    return sign_in.hasher.hash("tool", code)


def _hash_typed(sign_in: SignIn, typed: str) -> bytes:
    return sign_in.hasher.hash("typed", "".join(letter for letter in typed.upper()[:40] if letter.isalnum()))
