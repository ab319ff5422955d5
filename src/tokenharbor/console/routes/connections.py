"""Routes of connections: a tool asks for its own API key, a user agrees with limits, the tool fetches the key once."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

import msgspec
from litestar import Request, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from tokenharbor.accounts.keys import issue_key
from tokenharbor.console.authority import Right
from tokenharbor.console.context import AccountActor, AccountId, Caller, Conn, Context
from tokenharbor.console.guard import check_again, client_address
from tokenharbor.console.parameters import Moment, future_expiry, positive
from tokenharbor.console.routes.keys import NewKeyDocument
from tokenharbor.console.routes.session import visitor_of
from tokenharbor.identity.changes import set_actor
from tokenharbor.identity.connections import ToolConsent
from tokenharbor.identity.store import KeyRules
from tokenharbor.kernel.clock import to_second
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.signin import connect
from tokenharbor.signin.connect import LASTS, POLL_SECONDS, BrowserRequest

AnyRequest = Request[Any, Any, Any]


class ToolBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The tool's name, as it states it."""

    name: str


class DeviceCodesDocument(Document, frozen=True):
    """Codes for a tool. Show `user_code` and `verification_uri` to the user, and poll for the key with `device_code`
    every `interval` seconds.
    """

    device_code: str
    user_code: str
    verification_uri: str
    expires_in: int
    interval: int


class PendingConnectionDocument(Document, frozen=True):
    """A tool that waits for consent. `address` is where it asked from, `agent` its user agent; empty if unknown."""

    name: str
    expires_at: datetime
    address: str
    agent: str


class _Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    quota_usd: Usd | None = None
    daily_usd: Usd | None = None
    monthly_usd: Usd | None = None
    expires_at: Moment | None = None

    def consent(self, account_id: UUID, agreed_by: str, now: datetime) -> ToolConsent:
        return ToolConsent(
            account_id=account_id,
            agreed_by=agreed_by,
            quota=positive(self.quota_usd, "quota_usd"),
            daily=positive(self.daily_usd, "daily_usd"),
            monthly=positive(self.monthly_usd, "monthly_usd"),
            expires_at=future_expiry(self.expires_at, now, "expires_at"),
        )


class DeviceConsentBody(_Limits, frozen=True, kw_only=True):
    """The code shown by the tool, and the limits of its key."""

    user_code: str


class BrowserConsentBody(_Limits, frozen=True, kw_only=True):
    """The tool's request as sent through the browser, and the limits of its key."""

    name: str
    code_challenge: str
    redirect_uri: str
    state: str = ""


class RedirectDocument(Document, frozen=True):
    """The URL to send the browser to: the tool's address on the user's machine."""

    redirect_to: str


class FetchBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The device code, or the code from the browser with its PKCE verifier."""

    code: str
    code_verifier: str = ""


@post("/api/connections", right=Right.ANYBODY, operation_id="askForConnection", tags=["connections"])
async def ask(data: JSONBody[ToolBody], request: AnyRequest, context: Context) -> DeviceCodesDocument:
    """Ask for an API key for a tool. Called by the tool."""
    codes = await connect.request_by_device(context.sign_in, data.name, visitor_of(request))
    return DeviceCodesDocument(
        device_code=codes.device_code,
        user_code=codes.user_code,
        verification_uri=f"{context.sign_in.public_url}/dashboard/connect",
        expires_in=int(LASTS.total_seconds()),
        interval=POLL_SECONDS,
    )


@get("/api/connections/{user_code:str}", right=Right.SIGNED_IN, operation_id="getConnection", tags=["connections"])
async def show(user_code: FromPath[str], caller: Caller, context: Context) -> PendingConnectionDocument:
    """Get the tool that waits under a code, with the address it asked from. Compare both before agreeing."""
    found = await connect.find_pending_connection(context.sign_in, user_code, caller.id)
    return PendingConnectionDocument(
        name=found.name,
        expires_at=to_second(found.expires_at),
        address=found.asker.address,
        agent=found.asker.agent,
    )


@delete(
    "/api/connections/{user_code:str}", right=Right.SIGNED_IN, operation_id="refuseConnection", tags=["connections"]
)
async def refuse(user_code: FromPath[str], caller: Caller, context: Context) -> None:
    """Refuse: the tool gets no key."""
    await connect.refuse(context.sign_in, user_code, caller.id)


@post(
    "/api/accounts/{account_id:str}/connections",
    right=Right.MANAGE_KEYS,
    status_code=204,
    operation_id="agreeToConnection",
    tags=["connections"],
)
async def agree(
    data: JSONBody[DeviceConsentBody], request: AnyRequest, context: Context, account: AccountId, actor: AccountActor
) -> None:
    """Agree that the tool that shows this code gets a key with these limits."""
    consent = data.consent(account, actor.id, context.world.clock.now())
    await connect.agree(context.sign_in, data.user_code, consent, partial(check_again, request))


@post(
    "/api/accounts/{account_id:str}/connections/browser",
    right=Right.MANAGE_KEYS,
    operation_id="agreeByBrowser",
    tags=["connections"],
)
async def agree_by_browser(
    data: JSONBody[BrowserConsentBody], conn: Conn, context: Context, account: AccountId, actor: AccountActor
) -> RedirectDocument:
    """Agree, and get the URL that takes a code to the tool on the user's machine (PKCE, S256)."""
    asked = BrowserRequest(
        name=data.name, challenge=data.code_challenge, redirect_uri=data.redirect_uri, state=data.state
    )
    consent = data.consent(account, actor.id, context.world.clock.now())
    return RedirectDocument(await connect.agree_by_browser(conn, context.sign_in, asked, consent))


@post("/api/connections/key", right=Right.ANYBODY, operation_id="fetchConnectionKey", tags=["connections"])
async def fetch(data: JSONBody[FetchBody], request: AnyRequest, context: Context) -> NewKeyDocument:
    """Fetch the tool's key, once. After the error `authorization_pending`, try again."""
    sign_in = context.sign_in
    await connect.admit_fetch(sign_in, data.code, visitor_of(request))
    async with sign_in.acquire() as conn, conn.transaction():
        name, consent = await connect.take_connection(conn, sign_in, data.code, data.code_verifier)
        await set_actor(conn, consent.agreed_by, client_address(request), context.world.clock.now())
        rules = KeyRules(
            name=name,
            quota=consent.quota,
            daily=consent.daily,
            monthly=consent.monthly,
            expires_at=consent.expires_at,
        )
        issued = await issue_key(
            conn,
            context.world,
            sign_in.key_hashes,
            account_id=consent.account_id,
            rules=rules,
            catalog=context.catalog(),
        )
    return NewKeyDocument.of(issued)


CONNECTION_ROUTES: Final[Sequence[HTTPRouteHandler]] = (ask, show, refuse, agree, agree_by_browser, fetch)
