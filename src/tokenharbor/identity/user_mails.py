"""Mails to users that wait, were kept or failed: sealed, since they carry tokens."""

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
    """`kept`: there is no mail server; an operator reads it."""

    WAITING = "waiting"
    SENT = "sent"
    KEPT = "kept"
    FAILED = "failed"


class MailText(msgspec.Struct, frozen=True):
    """What a mail says."""

    subject: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserMail:
    """A mail to one user. `email` "": it was erased."""

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
    """A mail to be sent to a user."""

    id: UUID
    user_id: UUID
    kind: str
    at: datetime
    text: MailText = field(repr=False)


async def add_mail(conn: asyncpg.Connection, seal: SecretBox, mail: NewMail) -> None:
    sealed = seal.encrypt(msgspec.json.encode(mail.text), _context(mail.id))
    await conn.execute(SQL.add_mail, mail.id, mail.user_id, mail.kind, mail.at, sealed, seal.key_id)


async def claim_mails(conn: asyncpg.Connection, seal: SecretBox, at: datetime, most: int) -> Sequence[UserMail]:
    """Those that are due. One that cannot be read is in the log, and due again later."""
    return list(_read(await conn.fetch(SQL.claim_mails, at, most), seal))


async def list_mails(conn: asyncpg.Connection, seal: SecretBox, most: int) -> Sequence[UserMail]:
    """Those that did not leave, newest first."""
    return list(_read(await conn.fetch(SQL.mails, most), seal))


async def set_mail(conn: asyncpg.Connection, mail_id: UUID, state: MailState, fault: str, at: datetime) -> None:
    """What became of a try."""
    await conn.execute(SQL.set_mail, mail_id, state.value, fault, at)


async def purge_mails(conn: asyncpg.Connection, before: datetime) -> None:
    await conn.execute(SQL.purge_mails, before)


def _read(rows: Iterable[Any], seal: SecretBox) -> Iterable[UserMail]:
    for row in rows:
        try:
            text = msgspec.json.decode(seal.decrypt(row["sealed"], _context(row["id"])), type=MailText)
        except Misconfigured as error:
            log_row_fault("user_mail", row["id"], error)
            continue
        yield UserMail(
            id=row["id"],
            email=row["email"] or "",
            kind=row["kind"],
            at=row["at"],
            text=text,
            state=MailState(row["state"]),
            tries=row["tries"],
            fault=row["fault"],
        )


def _context(mail_id: UUID) -> bytes:
    return b"mail to a user " + mail_id.bytes
