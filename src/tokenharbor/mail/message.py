"""A plain-text mail, and the message that is sent for it."""

from dataclasses import dataclass, field
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from tokenharbor.kernel.errors import DeliveryRefused
from tokenharbor.kernel.reasons import ErrorReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail to one or more recipients. A copy that is sent again has the same `id`, so that a mailbox can show it
    once.
    """

    id: str
    recipients: tuple[str, ...] = field(repr=False)
    subject: str
    body: str
    at: datetime


def build_message(mail: Mail, sender: str) -> EmailMessage:
    """Return the message with its headers. A line break in a subject or address cannot start another header.

    Raises DeliveryRefused for an invalid address.
    """
    message = EmailMessage()
    message["From"] = _address(sender)
    message["To"] = tuple(_address(each) for each in mail.recipients)
    message["Subject"] = _one_line(mail.subject)
    message["Date"] = format_datetime(mail.at)
    message["Message-ID"] = f"<{_one_line(mail.id)}@{_address(sender).domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.body)
    return message


def _one_line(text: str) -> str:
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())


def _address(text: str) -> Address:
    if not text.isprintable() or any(letter in text for letter in " ,;<>()"):
        raise DeliveryRefused("an e-mail address is not valid").because(ErrorReason.MAIL_REFUSED)
    try:
        address = Address(addr_spec=text)
    except (ValueError, IndexError, MessageError):
        raise DeliveryRefused("an e-mail address is not valid").because(ErrorReason.MAIL_REFUSED) from None
    if not address.username or not address.domain:
        raise DeliveryRefused("an e-mail address is not valid").because(ErrorReason.MAIL_REFUSED)
    return address
