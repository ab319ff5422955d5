"""Mails to users: their kinds and texts, and the row that a job delivers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.resources import files
from typing import Final

import asyncpg
import msgspec

from tokenharbor.identity.roles import AccountRole
from tokenharbor.identity.user_mails import MailText, NewMail, add_mail
from tokenharbor.kernel.ids import UUID
from tokenharbor.signin.context import SignIn


class UserMailKind(StrEnum):
    """The kinds of mails to users."""

    VERIFY = "verify"
    KNOWN = "known"
    RESET = "reset"
    INVITE = "invite"
    INVITE_BY = "invite_by"
    NEW_PASSWORD = "new_password"  # noqa: S105  a kind of mail
    FACTOR_ON = "factor_on"
    FACTOR_OFF = "factor_off"
    RECOVERY_CODES = "recovery_codes"
    CONNECTED = "connected"
    PASSKEY = "passkey"
    EMAIL = "email"
    EMAIL_TAKEN = "email_taken"
    EMAIL_NOTICE = "email_notice"


_PATHS: Final[Mapping[UserMailKind, str]] = {
    UserMailKind.VERIFY: "/dashboard/verify-email#",
    UserMailKind.KNOWN: "/dashboard/sign-in",
    UserMailKind.RESET: "/dashboard/reset-password#",
    UserMailKind.INVITE: "/dashboard/invitation#",
    UserMailKind.INVITE_BY: "/dashboard/invitation#",
    UserMailKind.NEW_PASSWORD: "/dashboard/reset-password",
    UserMailKind.FACTOR_ON: "/dashboard/reset-password",
    UserMailKind.FACTOR_OFF: "/dashboard/reset-password",
    UserMailKind.RECOVERY_CODES: "/dashboard/reset-password",
    UserMailKind.CONNECTED: "/dashboard/reset-password",
    UserMailKind.PASSKEY: "/dashboard/reset-password",
    UserMailKind.EMAIL: "/dashboard/confirm-email#",
    UserMailKind.EMAIL_TAKEN: "/dashboard/sign-in",
    UserMailKind.EMAIL_NOTICE: "/dashboard/undo-email#",
}
"""The path of each mail's link. Tokens follow `#`: browsers do not send fragments to servers, so no log has them."""

WORDS: Final[Mapping[str, Mapping[str, MailText]]] = msgspec.toml.decode(
    files("tokenharbor.signin").joinpath("mails.toml").read_bytes(), type=dict[str, dict[str, MailText]]
)

LOCALES: Final = tuple(WORDS)

_ROLES: Final[Mapping[str, Mapping[AccountRole, str]]] = {
    "zh": {
        AccountRole.OWNER: "所有者",
        AccountRole.ADMIN: "管理员",
        AccountRole.DEVELOPER: "开发者",
        AccountRole.BILLING: "财务",
        AccountRole.VIEWER: "只读",
    }
}
"""Translated names of roles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailDraft:
    """A mail to write. `token` goes into the link; `about` names the account or the inviter, with `role`; `to`
    overrides the user's address.
    """

    kind: UserMailKind
    user_id: UUID
    locale: str
    token: str = field(default="", repr=False)
    about: str = ""
    role: AccountRole | None = None
    to: str = field(default="", repr=False)


async def send_mail(conn: asyncpg.Connection, sign_in: SignIn, draft: MailDraft) -> None:
    """Store a mail in the caller's transaction; a job delivers it."""
    words = WORDS.get(draft.locale, WORDS["en"])[draft.kind]
    link = f"{sign_in.public_url}{_PATHS[draft.kind]}{draft.token}"
    text = MailText(
        words.subject.replace("{about}", draft.about),
        words.body.replace("{link}", link).replace("{role}", _role_name(draft)).replace("{about}", draft.about),
    )
    world = sign_in.world
    mail = NewMail(
        id=world.ids.new(),
        user_id=draft.user_id,
        kind=draft.kind.value,
        at=world.clock.now(),
        text=text,
        to=draft.to,
    )
    await add_mail(conn, sign_in.mail_seal, mail)


def _role_name(draft: MailDraft) -> str:
    if draft.role is None:
        return ""
    return _ROLES.get(draft.locale, {}).get(draft.role, draft.role.value)
