"""Mails to users that wait, were kept or failed; sealed, since they hold tokens."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import asyncpg
import msgspec

from tokenharbor.db.each_row import log_row_fault
from tokenharbor.identity.users import SQL
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.secret import SecretBox


class MailState(StrEnum):
    """The state of a mail. A `kept` mail is for the operator to read, as there is no mail server."""

    WAITING = "waiting"
    SENT = "sent"
    KEPT = "kept"
    FAILED = "failed"


class MailText(msgspec.Struct, frozen=True):
    """The subject and body of a mail."""

    subject: str
    body: str


class _Sealed(MailText, frozen=True):
    """A mail as stored. If `to` is "", it goes to the address that the user has when it is sent."""

    to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserMail:
    """A mail to a user. `email` is "" if it was erased."""

    id: UUID
    email: str = field(repr=False)
    kind: str
    at: datetime
    text: MailText = field(repr=False)
    state: MailState
    tries: int
    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMail:
    """A mail to be sent to a user; `to` is another address than the user's, such as a former or a future one."""

    id: UUID
    user_id: UUID
    kind: str
    at: datetime
    text: MailText = field(repr=False)
    to: str = field(default="", repr=False)


async def add_mail(conn: asyncpg.Connection, seal: SecretBox, mail: NewMail) -> None:
    kept = _Sealed(mail.text.subject, mail.text.body, mail.to)
    sealed = seal.encrypt(msgspec.json.encode(kept), _context(mail.id))
    await conn.execute(SQL.add_mail, mail.id, mail.user_id, mail.kind, mail.at, sealed, seal.key_id)


async def claim_mails(conn: asyncpg.Connection, seal: SecretBox, at: datetime, most: int) -> Sequence[UserMail]:
    """Claim due mails. A mail that cannot be decrypted is logged, and due again later."""
    return list(_read(await conn.fetch(SQL.claim_mails, at, most), seal))


async def list_mails(
    conn: asyncpg.Connection, seal: SecretBox, most: int, before: UUID | None = None
) -> Sequence[UserMail]:
    """Return a page of mails that were not sent, newest first: those before one, or the latest."""
    return [mail for _, mail in await page_mails(conn, seal, most, before) if mail is not None]


async def page_mails(
    conn: asyncpg.Connection, seal: SecretBox, most: int, before: UUID | None
) -> Sequence[tuple[UUID, UserMail | None]]:
    """Return such a page with ids; None for a mail that cannot be decrypted, so that pages keep their length."""
    rows = await conn.fetch(SQL.mails, most, before)
    return [(row["id"], next(iter(_read([row], seal)), None)) for row in rows]


async def set_mail(conn: asyncpg.Connection, mail_id: UUID, state: MailState, fault: str, at: datetime) -> None:
    """Record the result of a try."""
    await conn.execute(SQL.set_mail, mail_id, state.value, fault, at)


async def purge_mails(conn: asyncpg.Connection, before: datetime) -> None:
    await conn.execute(SQL.purge_mails, before)


def _read(rows: Iterable[Any], seal: SecretBox) -> Iterable[UserMail]:
    for row in rows:
        try:
            text = msgspec.json.decode(seal.decrypt(row["sealed"], _context(row["id"])), type=_Sealed)
        except Misconfigured as error:
            log_row_fault("user_mail", row["id"], error)
            continue
        yield UserMail(
            id=row["id"],
            email=text.to or row["email"] or "",
            kind=row["kind"],
            at=row["at"],
            text=text,
            state=MailState(row["state"]),
            tries=row["tries"],
            fault=row["fault"],
        )


def _context(mail_id: UUID) -> bytes:
    return b"mail to a user " + mail_id.bytes
