"""Routes of alerts: an account's settings and webhook, and the notices sent to it."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Annotated, Final, Self

import asyncpg
import msgspec
from litestar import delete, get, patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import UNSET, UnsetType

from tokenharbor.alerts.context import Alerting
from tokenharbor.alerts.documents import AlertsDocument, NoticeDocument
from tokenharbor.alerts.preferences import (
    AlertChange,
    change_alerts,
    drop_webhook,
    list_notices,
    send_test,
    set_webhook,
    show_alerts,
)
from tokenharbor.alerts.webhook import AlertWebhook
from tokenharbor.console.authority import Right
from tokenharbor.console.context import AccountId, Conn, ConsoleContext, Context
from tokenharbor.console.lists import Limit
from tokenharbor.console.parameters import positive
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.money import Usd
from tokenharbor.signin.limits import ALERT_TESTS, admit


class AlertsBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes to alerts. A `low_balance_usd` of null or 0 turns that alert off."""

    mail: bool | UnsetType = UNSET
    low_balance_usd: Usd | UnsetType | None = UNSET


class WebhookBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The URL to post notices to."""

    url: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


class WebhookDocument(Document, frozen=True):
    """A webhook just set. The secret that signs its posts is shown only here."""

    url: str
    secret: str

    @classmethod
    def of(cls, webhook: AlertWebhook) -> Self:
        return cls(url=webhook.url, secret=webhook.shown_secret)


@get("/api/accounts/{account_id:str}/alerts", right=Right.READ, operation_id="getAlerts", tags=["alerts"])
async def show(context: Context, account: AccountId) -> AlertsDocument:
    """Get the settings of an account's alerts."""
    return AlertsDocument.of(await show_alerts(context.alerting, account))


@patch("/api/accounts/{account_id:str}/alerts", right=Right.MANAGE, operation_id="changeAlerts", tags=["alerts"])
async def change(conn: Conn, context: Context, account: AccountId, data: JSONBody[AlertsBody]) -> AlertsDocument:
    """Change an account's alerts. Fields not given stay as they are."""
    low = data.low_balance_usd
    wanted = AlertChange(mail=data.mail, low_balance=low if low is UNSET else positive(low or None, "low_balance_usd"))
    return AlertsDocument.of(await change_alerts(_recording_author(context, conn), account, wanted))


@put("/api/accounts/{account_id:str}/alerts/webhook", right=Right.MANAGE, operation_id="setWebhook", tags=["alerts"])
async def set_alert_webhook(
    conn: Conn, context: Context, account: AccountId, data: JSONBody[WebhookBody]
) -> WebhookDocument:
    """Set the webhook that notices are posted to, with a new secret."""
    return WebhookDocument.of(await set_webhook(_recording_author(context, conn), account, data.url))


@delete(
    "/api/accounts/{account_id:str}/alerts/webhook", right=Right.MANAGE, operation_id="dropWebhook", tags=["alerts"]
)
async def drop_alert_webhook(conn: Conn, context: Context, account: AccountId) -> None:
    """Remove the webhook."""
    await drop_webhook(_recording_author(context, conn), account)


@post("/api/accounts/{account_id:str}/alerts/test", right=Right.MANAGE, operation_id="testAlerts", tags=["alerts"])
async def test(context: Context, account: AccountId) -> NoticeDocument:
    """Send a test notice through every channel; the answer has the result of each."""
    await admit(context.sign_in, [(ALERT_TESTS, account.hex)])
    return NoticeDocument.of(*await send_test(context.alerting, account))


@get("/api/accounts/{account_id:str}/notices", right=Right.READ, operation_id="listNotices", tags=["alerts"])
async def list_sent_notices(context: Context, account: AccountId, limit: Limit = 50) -> list[NoticeDocument]:
    """List the notices sent to the account, newest first."""
    return [NoticeDocument.of(*each) for each in await list_notices(context.alerting, account, limit)]


ALERT_ROUTES: Final[Sequence[HTTPRouteHandler]] = (
    show,
    change,
    set_alert_webhook,
    drop_alert_webhook,
    test,
    list_sent_notices,
)


def _recording_author(context: ConsoleContext, conn: asyncpg.Connection) -> Alerting:
    """Return alerts on the request's transaction, which records the author of changes."""
    return replace(context.alerting, acquire=lambda: nullcontext(conn))
