"""Routes of API keys in the shape of model routers, for programs with a management key; the account is the key's."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Self

import asyncpg
import msgspec
from litestar import delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, UnsetType

from tokenharbor.accounts.key_state import RESETS, main_limit
from tokenharbor.accounts.keys import KeyChange, change_key, change_rules, delete_key, issue_key, revoke_key
from tokenharbor.accounts.spending import MeteredKey, read_key_spending
from tokenharbor.console.authority import Right
from tokenharbor.console.context import AccountId, Conn, Context
from tokenharbor.console.ownership import check_owner
from tokenharbor.console.parameters import ONE_LINE, Moment, OnceKey, future_expiry
from tokenharbor.console.usd_number import UsdNumber
from tokenharbor.identity import store
from tokenharbor.identity.idempotency import claim_idempotency_key
from tokenharbor.identity.keys import PREFIX
from tokenharbor.identity.store import KeyRow, KeyRules
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import to_second
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.errors import Conflict, InvalidRequest, NotFound
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.ledger.rollup import read_totals

_PAGE: Final = 100
_UNUSED: Final = MeteredKey(ZERO, ZERO, ZERO, None)
_MOST_DIGITS: Final = 9  # digits before the decimal point, and after it
_NO_USAGE: Final = UsdNumber(0)

KeyName = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=ONE_LINE)]
Reset = Literal["daily", "weekly", "monthly"]
Offset = Annotated[int, QueryParameter(ge=0, le=1_000_000, description="Number of keys to skip, newest first.")]
Disabled = Annotated[bool | None, QueryParameter(description="Include disabled keys.")]
Workspace = Annotated[
    str | None, QueryParameter(description="The id of the management key's account; no other is valid.")
]


class RouterKeyDocument(Document, frozen=True, kw_only=True):
    """A key, without its secret. `hash` is its id, `workspace_id` its account's id; a revoked key is `disabled`. Of
    several limits, the total one is shown, else the monthly, else the daily one. Amounts are in US dollars.
    """

    hash: str
    name: str
    label: str
    disabled: bool
    limit: UsdNumber | None
    limit_remaining: UsdNumber | None
    limit_reset: Reset | None
    include_byok_in_limit: bool = False
    usage: UsdNumber
    usage_daily: UsdNumber
    usage_weekly: UsdNumber
    usage_monthly: UsdNumber
    byok_usage: UsdNumber
    byok_usage_daily: UsdNumber
    byok_usage_weekly: UsdNumber
    byok_usage_monthly: UsdNumber
    created_at: datetime
    updated_at: datetime | None = None
    expires_at: datetime | None
    last_used_at: datetime | None
    creator_user_id: str | None = None
    workspace_id: str

    @classmethod
    def of(cls, row: KeyRow, spent: MeteredKey, week: Usd) -> Self:
        main = main_limit(row.rules, spent)
        return cls(
            hash=ids.show("key", row.id),
            name=row.rules.name,
            label=f"{PREFIX}{row.first4}…{row.last4}",
            disabled=row.revoked_at is not None,
            limit=None if main.limit is None else UsdNumber(main.limit),
            limit_remaining=None if main.left is None else UsdNumber(main.left),
            limit_reset=main.reset,
            usage=UsdNumber(spent.life),
            usage_daily=UsdNumber(spent.day),
            usage_weekly=UsdNumber(week),
            usage_monthly=UsdNumber(spent.month),
            byok_usage=_NO_USAGE,
            byok_usage_daily=_NO_USAGE,
            byok_usage_weekly=_NO_USAGE,
            byok_usage_monthly=_NO_USAGE,
            created_at=to_second(row.created_at),
            expires_at=to_second(row.rules.expires_at),
            last_used_at=to_second(spent.used_hour),
            workspace_id=ids.show("acct", row.account_id),
        )


class OneRouterKeyDocument(msgspec.Struct, frozen=True):
    """A key."""

    data: RouterKeyDocument


class RouterKeysDocument(msgspec.Struct, frozen=True):
    """Keys, newest first."""

    data: Sequence[RouterKeyDocument]


class NewRouterKeyDocument(msgspec.Struct, frozen=True):
    """A key just created. `key` is shown only here."""

    key: str
    data: RouterKeyDocument


class DeletedKeyDocument(msgspec.Struct, frozen=True):
    """The confirmation of a deleted key."""

    deleted: bool = True


class NewRouterKeyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key's name and limit in US dollars; null means no limit. With a null `limit_reset` it is a total limit."""

    name: KeyName
    limit: Decimal | None = None
    limit_reset: Reset | None = None
    include_byok_in_limit: bool = False
    expires_at: Moment | None = None

    def as_rules(self, now: datetime) -> KeyRules:
        """Return the key's rules. Raises InvalidRequest."""
        _refuse_byok(included=self.include_byok_in_limit)
        change = KeyChange(
            name=self.name,
            expires_at=future_expiry(self.expires_at, now, "expires_at"),
            **_limit_change(_read_limit(self.limit), self.limit_reset),
        )
        return change_rules(KeyRules(), change)


class RouterKeyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Changes to a key. `disabled` true revokes it; a revoked key cannot be enabled again."""

    name: KeyName | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    limit: Decimal | UnsetType | None = UNSET
    limit_reset: Reset | UnsetType | None = UNSET
    include_byok_in_limit: bool | UnsetType = UNSET

    def as_change(self, rules: KeyRules) -> KeyChange:
        """Return the change of rules. It replaces or removes the limit that is shown; other limits stay.

        Raises InvalidRequest.
        """
        _refuse_byok(included=self.include_byok_in_limit is True)
        stated: dict[str, Any] = {} if self.name is UNSET else {"name": self.name}
        if self.limit is not UNSET or self.limit_reset is not UNSET:
            main = main_limit(rules, _UNUSED)
            limit = main.limit if self.limit is UNSET else _read_limit(self.limit)
            unstated = main.reset if limit is not None else None
            reset = unstated if self.limit_reset is UNSET else self.limit_reset
            stated |= ({} if main.limit is None else {RESETS[main.reset]: None}) | _limit_change(limit, reset)
        return KeyChange(**stated)


@get("/v1/keys", right=Right.READ, by_management_key=True, operation_id="listRouterKeys", tags=["keys"])
async def list_router_keys(
    conn: Conn,
    context: Context,
    account: AccountId,
    offset: Offset = 0,
    include_disabled: Disabled = None,
    workspace_id: Workspace = None,
) -> RouterKeysDocument:
    """List up to 100 of the account's keys, newest first, without disabled ones unless included."""
    if workspace_id is not None and workspace_id != ids.show("acct", account):
        raise NotFound("There is no such workspace: workspace_id must be the id of the management key's account.")
    rows = [row for row in await store.list_keys(conn, account) if include_disabled or row.revoked_at is None]
    return RouterKeysDocument(await _shown(conn, context, account, rows[::-1][offset : offset + _PAGE]))


@get("/v1/keys/{key_hash:str}", right=Right.READ, by_management_key=True, operation_id="getRouterKey", tags=["keys"])
async def show_router_key(
    conn: Conn, context: Context, account: AccountId, key_hash: FromPath[str]
) -> OneRouterKeyDocument:
    """Get a key with its limit and spending."""
    row = await _own_key(conn, account, key_hash)
    return OneRouterKeyDocument(*await _shown(conn, context, account, [row]))


@post("/v1/keys", right=Right.MANAGE_KEYS, by_management_key=True, operation_id="createRouterKey", tags=["keys"])
async def create_router_key(
    conn: Conn,
    context: Context,
    account: AccountId,
    data: JSONBody[NewRouterKeyBody],
    idempotency_key: OnceKey = None,
) -> NewRouterKeyDocument:
    """Create a key. It is shown only in this answer."""
    rules = data.as_rules(context.world.clock.now())
    issued = await issue_key(
        conn,
        context.world,
        context.key_hashes,
        account_id=account,
        rules=rules,
        catalog=context.catalog(),
        also=context.policy().orchestra.names,
    )
    await claim_idempotency_key(conn, account, idempotency_key, ids.show("key", issued.id), context.world.clock.now())
    row = await store.get_key(conn, issued.id)
    return NewRouterKeyDocument(issued.key, *await _shown(conn, context, account, [row]))


@patch(
    "/v1/keys/{key_hash:str}",
    right=Right.MANAGE_KEYS,
    by_management_key=True,
    operation_id="changeRouterKey",
    tags=["keys"],
)
async def edit_router_key(
    conn: Conn, context: Context, account: AccountId, key_hash: FromPath[str], data: JSONBody[RouterKeyBody]
) -> OneRouterKeyDocument:
    """Change a key. Fields not given stay as they are. Takes effect within a second."""
    row = await _own_key(conn, account, key_hash)
    row = await store.lock_key(conn, row.id)  # locked: the new limit depends on the current one
    if data.disabled is False and row.revoked_at is not None:
        raise Conflict("A disabled key is revoked and cannot be enabled again: create another key.")
    change = data.as_change(row.rules)
    if change != KeyChange():
        await change_key(conn, row.id, change, catalog=context.catalog(), also=context.policy().orchestra.names)
    if data.disabled is True:
        await revoke_key(conn, context.world, row.id)
    return OneRouterKeyDocument(*await _shown(conn, context, account, [await store.get_key(conn, row.id)]))


@delete(
    "/v1/keys/{key_hash:str}",
    right=Right.MANAGE_KEYS,
    by_management_key=True,
    operation_id="deleteRouterKey",
    tags=["keys"],
    status_code=200,
)
async def remove_router_key(
    conn: Conn, context: Context, account: AccountId, key_hash: FromPath[str]
) -> DeletedKeyDocument:
    """Revoke a key and remove it from the list. Its spending stays in the ledger."""
    row = await _own_key(conn, account, key_hash)
    await delete_key(conn, context.world, row.id)
    return DeletedKeyDocument()


ROUTER_KEY_ROUTES: Final[Sequence[HTTPRouteHandler]] = (
    list_router_keys,
    show_router_key,
    create_router_key,
    edit_router_key,
    remove_router_key,
)


async def _own_key(conn: asyncpg.Connection, account: UUID, shown: str) -> KeyRow:
    try:
        key_id = ids.parse("key", shown)
    except ValueError:
        raise NotFound("There is no such API key.") from None
    return await check_owner(store.get_key(conn, key_id), account, "API key")


async def _shown(
    conn: asyncpg.Connection, context: Context, account: UUID, rows: Sequence[KeyRow]
) -> Sequence[RouterKeyDocument]:
    """Return the keys' documents with their spending; the week begins on Monday (UTC)."""
    now = context.world.clock.now()
    monday = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=now.weekday())
    spent = await read_key_spending(conn, account, now)
    week = await read_totals(conn, account, since=monday, until=monday + timedelta(days=7), by=["key"])
    used = {total.key_id: total.charge for total in week}
    return [RouterKeyDocument.of(row, spent.get(row.id, _UNUSED), used.get(row.id, ZERO)) for row in rows]


def _refuse_byok(*, included: bool) -> None:
    if included:
        raise InvalidRequest(
            "include_byok_in_limit must be false: your own provider keys are not supported.",
            param="include_byok_in_limit",
        )


def _read_limit(limit: Decimal | None) -> Usd | None:
    """Return a limit, or None. Raises InvalidRequest unless it is above 0, which elsewhere means no limit."""
    if limit is None:
        return None
    if not limit.is_finite() or limit <= 0 or abs(limit.adjusted()) > _MOST_DIGITS:
        raise InvalidRequest("limit must be an amount in US dollars above 0, or null for no limit.", param="limit")
    try:
        return Usd.parse(format(limit, "f"))
    except ValueError as error:
        raise InvalidRequest(f"limit: {error}", param="limit") from None


def _limit_change(limit: Usd | None, reset: Reset | None) -> dict[str, Any]:
    """Return the change of limits. Raises InvalidRequest for a reset that is not supported."""
    if reset == "weekly":
        raise InvalidRequest('limit_reset "weekly" is not supported: use daily, monthly or null.', param="limit_reset")
    if limit is None and reset is not None:
        raise InvalidRequest("limit_reset requires limit.", param="limit_reset")
    return {} if limit is None else {RESETS[reset]: limit}
