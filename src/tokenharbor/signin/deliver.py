"""Delivery of mails to users: tried at once, then after growing pauses, six times at most.

A try is claimed first, as with notices, so that another process repeats it if the first one dies. Without a mail
server, mails are kept for an operator to read in the console; the log says so, without their text.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

import asyncpg
import structlog

from tokenharbor.db.each_row import concerns_all, log_row_fault
from tokenharbor.identity.user_mails import MailState, UserMail, claim_mails, set_mail
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import DeliveryRefused, DeliveryUnavailable, Misconfigured, reason_of
from tokenharbor.kernel.secret import SecretBox
from tokenharbor.kernel.world import World
from tokenharbor.mail.message import Mail
from tokenharbor.mail.smtp import SmtpMailer

MOST_TRIES: Final = 6

_AT_ONCE = 10
_log = structlog.get_logger("sign_in")


@dataclass(frozen=True, slots=True, kw_only=True)
class UserMailDelivery:
    """The parts of mail delivery in a process. `mailer` is None if no mail server is configured."""

    world: World
    acquire: Callable[[], AbstractAsyncContextManager[asyncpg.Connection]]
    seal: SecretBox
    mailer: SmtpMailer | None


async def deliver_mails(delivery: UserMailDelivery) -> int:
    """Try each due mail, ten at most; return their number. Raises DatabaseUnavailable."""
    async with delivery.acquire() as conn:
        due = await claim_mails(conn, delivery.seal, delivery.world.clock.now(), _AT_ONCE)
    await asyncio.gather(*(_deliver(delivery, each) for each in due))
    return len(due)


async def _deliver(delivery: UserMailDelivery, mail: UserMail) -> None:
    state, fault = await _try(delivery, mail)
    shown = ids.show("mail", mail.id)
    if state is MailState.KEPT:
        _log.warning("mail_kept", mail=shown, kind=mail.kind, reason=fault)
    elif state is MailState.FAILED:
        _log.warning("mail_failed", mail=shown, kind=mail.kind, reason=fault)
    async with delivery.acquire() as conn:
        await set_mail(conn, mail.id, state, fault, delivery.world.clock.now())


async def _try(delivery: UserMailDelivery, mail: UserMail) -> tuple[MailState, str]:
    if delivery.mailer is None:
        return MailState.KEPT, "no mail server configured: an operator can read it in the console"
    text = mail.text
    draft = Mail(id=str(mail.id), recipients=(mail.email,), subject=text.subject, body=text.body, at=mail.at)
    try:
        await delivery.mailer.send(draft)
    except (DeliveryRefused, Misconfigured) as error:
        return MailState.FAILED, str(error)
    except Exception as error:
        if concerns_all(error):
            raise
        if not isinstance(error, DeliveryUnavailable):
            log_row_fault("user_mail", mail.id, error)
        return MailState.FAILED if mail.tries >= MOST_TRIES else MailState.WAITING, reason_of(error)
    return MailState.SENT, ""
