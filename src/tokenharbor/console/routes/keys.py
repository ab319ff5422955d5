"""Routes of API keys: list with spending, create, change, rotate, revoke, delete."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Final, Self

import asyncpg
import msgspec
from litestar import delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, UnsetType

from tokenharbor.accounts.documents import KeyDocument
from tokenharbor.accounts.keys import (
    IssuedKey,
    KeyChange,
    change_key,
    change_rules,
    delete_key,
    issue_key,
    revoke_key,
    rotate_key,
)
from tokenharbor.accounts.spending import MeteredKey, read_key_spending
from tokenharbor.console.authority import Right
from tokenharbor.console.context import AccountId, Conn, Context
from tokenharbor.console.lists import parse_id
from tokenharbor.console.ownership import check_owner
from tokenharbor.console.parameters import Moment, Name, OnceKey, future_expiry, positive
from tokenharbor.identity import store
from tokenharbor.identity.idempotency import claim_idempotency_key
from tokenharbor.identity.store import KeyRow, KeyRules
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import to_second
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.reasons import ErrorReason

Count = Annotated[int, msgspec.Meta(ge=0, le=2_000_000_000)]
Names = Annotated[tuple[Name, ...], msgspec.Meta(max_length=100)]


class KeySpendingDocument(Document, frozen=True):
    """A key's spending in total, and in this UTC day and month. `used_hour` is the UTC hour of its last use."""

    life_usd: Usd
    day_usd: Usd
    month_usd: Usd
    used_hour: datetime | None

    @classmethod
    def of(cls, found: MeteredKey) -> Self:
        return cls(life_usd=found.life, day_usd=found.day, month_usd=found.month, used_hour=to_second(found.used_hour))


class SpendingKeyDocument(KeyDocument, frozen=True, kw_only=True):
    """A key (without its secret) and its spending."""

    spending: KeySpendingDocument

    @classmethod
    def with_spending(cls, row: KeyRow, spent: MeteredKey) -> Self:
        return cls(**msgspec.structs.asdict(KeyDocument.of(row)), spending=KeySpendingDocument.of(spent))


class NewKeyDocument(Document, frozen=True):
    """A key just created. `key` is shown only here."""

    id: str
    key: str

    @classmethod
    def of(cls, issued: IssuedKey) -> Self:
        return cls(id=ids.show("key", issued.id), key=issued.key)


class KeyRulesBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules of a key; fields not given stay as they are. An empty list removes a rule, null or 0 removes a limit, and a
    null `expires_at` means never.
    """

    name: Name | UnsetType = UNSET
    label: Name | UnsetType = UNSET
    models: Names | UnsetType = UNSET
    providers: Names | UnsetType = UNSET
    deny_providers: Names | UnsetType = UNSET
    ip: Names | UnsetType = UNSET
    quota_usd: Usd | UnsetType | None = UNSET
    daily_usd: Usd | UnsetType | None = UNSET
    monthly_usd: Usd | UnsetType | None = UNSET
    rpm: Count | UnsetType | None = UNSET
    tpm: Count | UnsetType | None = UNSET
    concurrency: Count | UnsetType | None = UNSET
    expires_at: Moment | UnsetType | None = UNSET

    def as_change(self, now: datetime) -> KeyChange:
        """Return the change of rules. Raises InvalidRequest."""
        stated: dict[str, Any] = {
            field: value for field, value in msgspec.structs.asdict(self).items() if value is not UNSET
        }
        for field in stated.keys() & {"quota_usd", "daily_usd", "monthly_usd"}:
            stated[field] = positive(stated[field] or None, field)
        for field in stated.keys() & {"rpm", "tpm", "concurrency"}:
            stated[field] = stated[field] or None
        future_expiry(stated.get("expires_at"), now, "expires_at")
        if "ip" in stated:
            stated["ip"] = tuple(_network(text) for text in stated["ip"])
        return KeyChange(**{_FIELDS.get(field, field): value for field, value in stated.items()})


_FIELDS: Final = {
    "deny_providers": "denied_providers",
    "ip": "networks",
    "quota_usd": "quota",
    "daily_usd": "daily",
    "monthly_usd": "monthly",
}


class RotationBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The hours for which the old key stays valid beside the new one."""

    overlap_hours: Annotated[int, msgspec.Meta(ge=0, le=24 * 30)] = 24


@get("/api/accounts/{account_id:str}/keys", right=Right.READ, operation_id="listKeys", tags=["keys"])
async def list_keys(conn: Conn, context: Context, account: AccountId) -> list[SpendingKeyDocument]:
    """List the account's keys with their spending, oldest first, including revoked ones."""
    rows = await store.list_keys(conn, account)
    spent = await read_key_spending(conn, account, context.world.clock.now())
    return [SpendingKeyDocument.with_spending(row, spent[row.id]) for row in rows]


@get("/api/accounts/{account_id:str}/keys/{key_id:str}", right=Right.READ, operation_id="getKey", tags=["keys"])
async def show_key(conn: Conn, context: Context, account: AccountId, key_id: FromPath[str]) -> SpendingKeyDocument:
    """Get a key and its spending."""
    row = await _own_key(conn, account, key_id)
    spent = await read_key_spending(conn, account, context.world.clock.now())
    return SpendingKeyDocument.with_spending(row, spent[row.id])


@post("/api/accounts/{account_id:str}/keys", right=Right.MANAGE_KEYS, operation_id="createKey", tags=["keys"])
async def create_key(
    conn: Conn,
    context: Context,
    account: AccountId,
    data: JSONBody[KeyRulesBody],
    idempotency_key: OnceKey = None,
) -> NewKeyDocument:
    """Create a key. It is shown only in this answer."""
    rules = change_rules(KeyRules(), data.as_change(context.world.clock.now()))
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
    return NewKeyDocument.of(issued)


@patch(
    "/api/accounts/{account_id:str}/keys/{key_id:str}",
    right=Right.MANAGE_KEYS,
    operation_id="changeKey",
    tags=["keys"],
)
async def edit_key(
    conn: Conn, context: Context, account: AccountId, key_id: FromPath[str], data: JSONBody[KeyRulesBody]
) -> KeyDocument:
    """Change a key's rules. Fields not given stay as they are. Takes effect within a second."""
    row = await _own_key(conn, account, key_id)
    change = data.as_change(context.world.clock.now())
    return KeyDocument.of(
        await change_key(conn, row.id, change, catalog=context.catalog(), also=context.policy().orchestra.names)
    )


@post(
    "/api/accounts/{account_id:str}/keys/{key_id:str}/rotation",
    right=Right.MANAGE_KEYS,
    operation_id="rotateKey",
    tags=["keys"],
)
async def replace_key(
    *,
    conn: Conn,
    context: Context,
    account: AccountId,
    key_id: FromPath[str],
    data: JSONBody[RotationBody],
    idempotency_key: OnceKey = None,
) -> NewKeyDocument:
    """Create a new key with the same rules; the old one expires after the overlap."""
    row = await _own_key(conn, account, key_id)
    overlap = timedelta(hours=data.overlap_hours)
    issued = await rotate_key(conn, context.world, context.key_hashes, row.id, overlap)
    await claim_idempotency_key(conn, account, idempotency_key, ids.show("key", issued.id), context.world.clock.now())
    return NewKeyDocument.of(issued)


@post(
    "/api/accounts/{account_id:str}/keys/{key_id:str}/revocation",
    right=Right.MANAGE_KEYS,
    operation_id="revokeKey",
    tags=["keys"],
    status_code=200,
)
async def end_key(conn: Conn, context: Context, account: AccountId, key_id: FromPath[str]) -> KeyDocument:
    """Revoke a key. Takes effect within a second; open streams finish."""
    row = await _own_key(conn, account, key_id)
    await revoke_key(conn, context.world, row.id)
    return KeyDocument.of(await store.get_key(conn, row.id))


@delete(
    "/api/accounts/{account_id:str}/keys/{key_id:str}",
    right=Right.MANAGE_KEYS,
    operation_id="deleteKey",
    tags=["keys"],
)
async def remove_key(conn: Conn, context: Context, account: AccountId, key_id: FromPath[str]) -> None:
    """Revoke a key and remove it from the list. Its spending stays in the ledger."""
    row = await _own_key(conn, account, key_id)
    await delete_key(conn, context.world, row.id)


KEY_ROUTES: Final[Sequence[HTTPRouteHandler]] = (
    list_keys,
    show_key,
    create_key,
    edit_key,
    replace_key,
    end_key,
    remove_key,
)


async def _own_key(conn: asyncpg.Connection, account: UUID, shown: str) -> KeyRow:
    return await check_owner(store.get_key(conn, parse_id("key", shown, "key_id")), account, "API key")


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text.strip())
    except ValueError as error:
        raise InvalidRequest(f"Not an address or a network: {error}", param="ip").because(
            ErrorReason.NETWORK_INVALID
        ) from None
