"""Sends mail through an SMTP server."""

from dataclasses import dataclass, field
from typing import Final, Literal

from tokenharbor.kernel.errors import DeliveryRefused, DeliveryUnavailable
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.mail.message import Mail, build_message

TlsMode = Literal["starttls", "tls", "off"]

_TIMEOUT_SECONDS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpConfig:
    """How to reach the mail server. With `tls` "starttls" or "tls", nothing is sent without TLS, and the server's
    certificate is checked.
    """

    server: str
    port: int
    tls: TlsMode
    sender: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)


class SmtpMailer:
    """Sends each mail on its own connection. Errors never quote the server's reply, which may name an address."""

    def __init__(self, config: SmtpConfig) -> None:
        self._config = config

    async def send(self, mail: Mail) -> None:
        """Return when the server has accepted the mail for at least one recipient.

        Raises DeliveryUnavailable or DeliveryRefused.
        """
        import aiosmtplib  # noqa: PLC0415  slow to import, only where mail is sent

        config = self._config
        message = build_message(mail, config.sender)
        try:
            await aiosmtplib.send(
                message,
                hostname=config.server,
                port=config.port,
                username=config.user,
                password=config.password,
                use_tls=config.tls == "tls",
                start_tls=config.tls == "starttls",
                timeout=_TIMEOUT_SECONDS,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _failure(min(each.code for each in error.recipients)) from None
        except aiosmtplib.SMTPAuthenticationError as error:
            raise DeliveryUnavailable(f"the mail server refused our login ({error.code})").because(
                ErrorReason.MAIL_UNAVAILABLE
            ) from None
        except aiosmtplib.SMTPResponseException as error:
            raise _failure(error.code) from None
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise DeliveryUnavailable(f"the mail server is unavailable: {type(error).__name__}").because(
                ErrorReason.MAIL_UNAVAILABLE
            ) from None


def _failure(code: int) -> DeliveryUnavailable | DeliveryRefused:
    """Return the error for an SMTP reply code: 5xx is final, others are tried again."""
    if code >= 500:
        return DeliveryRefused(f"the mail server refused the mail ({code})").because(ErrorReason.MAIL_REFUSED)
    return DeliveryUnavailable(f"the mail server did not accept the mail ({code})").because(
        ErrorReason.MAIL_UNAVAILABLE
    )
