"""Documents of users and their access: users, sessions, members, management keys, mails, the audit log."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self

from tokenharbor.identity.changes import AccountChange
from tokenharbor.identity.management_keys import ManagementKey
from tokenharbor.identity.members import InvitationRow, Member
from tokenharbor.identity.passkeys import Passkey
from tokenharbor.identity.roles import AccountRole
from tokenharbor.identity.sessions import SessionRow
from tokenharbor.identity.user_mails import UserMail
from tokenharbor.identity.users import User
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import to_second
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.ids import UUID
from tokenharbor.signin.identities import ConnectedService
from tokenharbor.signin.undo import Undone, UndoneKind


class UserDocument(Document, frozen=True):
    """A user, as shown to that user. Without a password, the user signs in with a passkey, a link or another service.
    `totp`: sign-in requires a code. An empty `locale` follows the browser.
    """

    id: str
    email: str
    name: str
    locale: str
    operator: bool
    has_password: bool
    totp: bool
    created_at: datetime

    @classmethod
    def of(cls, user: User) -> Self:
        return cls(
            id=user.shown_id,
            email=user.email,
            name=user.name,
            locale=user.locale,
            operator=user.operator,
            has_password=bool(user.password),
            totp=user.totp_at is not None,
            created_at=to_second(user.created_at),
        )


class PasskeyDocument(Document, frozen=True):
    """A passkey, as shown to its user. `used_at` is null if it has not been used to sign in."""

    id: str
    name: str
    created_at: datetime
    used_at: datetime | None

    @classmethod
    def of(cls, passkey: Passkey) -> Self:
        return cls(
            id=passkey.shown_id,
            name=passkey.name,
            created_at=to_second(passkey.created_at),
            used_at=None if passkey.used_at is None else to_second(passkey.used_at),
        )


class IdentityDocument(Document, frozen=True):
    """A connected service that can sign the user in. `issuer` is its URL."""

    id: str
    issuer: str
    created_at: datetime

    @classmethod
    def of(cls, service: ConnectedService) -> Self:
        return cls(id=service.id, issuer=service.issuer, created_at=to_second(service.created_at))


class UserSessionDocument(Document, frozen=True):
    """An open session. `current` marks the session of this request."""

    id: str
    current: bool
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    address: str
    agent: str

    @classmethod
    def of(cls, session: SessionRow, current: UUID | None) -> Self:
        return cls(
            id=ids.show("sess", session.id),
            current=session.id == current,
            created_at=to_second(session.created_at),
            seen_at=to_second(session.seen_at),
            expires_at=to_second(session.expires_at),
            address=session.address,
            agent=session.agent,
        )


class TotpSetupDocument(Document, frozen=True):
    """The secret to set up an authenticator app with; `svg` is a QR code of `uri`."""

    secret: str
    uri: str
    svg: str


class RecoveryCodesDocument(Document, frozen=True):
    """Recovery codes for a lost app. Each works once; they are shown only here."""

    recovery_codes: Sequence[str]


class MemberDocument(Document, frozen=True):
    """A member of an account."""

    id: str
    email: str
    name: str
    role: AccountRole
    since: datetime

    @classmethod
    def of(cls, member: Member) -> Self:
        return cls(
            id=ids.show("user", member.user_id),
            email=member.email,
            name=member.name,
            role=member.role,
            since=to_second(member.since),
        )


class InvitationDocument(Document, frozen=True):
    """An open invitation. Its link was sent by mail."""

    id: str
    email: str
    role: AccountRole
    invited_by: str
    created_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, invitation: InvitationRow) -> Self:
        return cls(
            id=ids.show("inv", invitation.id),
            email=invitation.email,
            role=invitation.role,
            invited_by=invitation.invited_by,
            created_at=to_second(invitation.created_at),
            expires_at=to_second(invitation.expires_at),
        )


class ManagementKeyDocument(Document, frozen=True):
    """A management key, without its secret. `created_by` is null if no user created it."""

    id: str
    name: str
    role: AccountRole
    first4: str
    last4: str
    created_by: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: ManagementKey) -> Self:
        return cls(
            id=key.shown_id,
            name=key.name,
            role=key.role,
            first4=key.first4,
            last4=key.last4,
            created_by=None if key.created_by is None else ids.show("user", key.created_by),
            created_at=to_second(key.created_at),
            expires_at=to_second(key.expires_at),
            revoked_at=to_second(key.revoked_at),
        )


class NewManagementKeyDocument(Document, frozen=True):
    """A management key just created. `secret` is shown only here."""

    key: ManagementKeyDocument
    secret: str


class AuditDocument(Document, frozen=True):
    """A change to an account, or to a `subject` in it, with its author, time, address, and values before and after.
    Names are the current e-mail address of a user or name of a key; empty if there is none.
    """

    id: str
    at: datetime
    actor: str
    actor_name: str
    address: str
    subject: str
    subject_name: str
    field: str
    before: str
    after: str
    wording: str

    @classmethod
    def of(cls, change_id: UUID, change: AccountChange, names: Mapping[str, str]) -> Self:
        return cls(
            id=ids.show("chg", change_id),
            at=to_second(change.at),
            actor=change.actor,
            actor_name=names.get(change.actor, ""),
            address=change.address,
            subject=change.subject,
            subject_name=names.get(change.subject, ""),
            field=change.field,
            before=change.before,
            after=change.after,
            wording=change.wording,
        )


class UndoneDocument(Document, frozen=True):
    """An item ended by the undo of an e-mail change. The kind `role` is restored instead, and `alerts` by mail are
    turned on again. `id` is empty for settings that an account has once; `name` is empty if there is none.
    """

    kind: UndoneKind
    account: str
    id: str
    name: str

    @classmethod
    def of(cls, undone: Undone) -> Self:
        return cls(kind=undone.kind, account=ids.show("acct", undone.account_id), id=undone.id, name=undone.name)


class UserMailDocument(Document, frozen=True):
    """An undelivered mail to a user, for operators to hand over by other means."""

    id: str
    at: datetime
    to: str
    kind: str
    subject: str
    body: str
    state: str
    fault: str | None

    @classmethod
    def of(cls, mail: UserMail) -> Self:
        return cls(
            id=ids.show("mail", mail.id),
            at=to_second(mail.at),
            to=mail.email,
            kind=mail.kind,
            subject=mail.text.subject,
            body=mail.text.body,
            state=mail.state.value,
            fault=mail.fault or None,
        )
