"""The receipt of a top-up: issuer, payer, amount paid and credit. It is not a tax invoice."""

from datetime import UTC

import asyncpg

from tokenharbor.funding import store
from tokenharbor.funding.printed import Issuer, PrintedDocument, PrintedTable
from tokenharbor.funding.types import TopUpState
from tokenharbor.identity.store import get_account
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Conflict
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Money
from tokenharbor.kernel.reasons import ErrorReason


async def make_payment_receipt(conn: asyncpg.Connection, top_up_id: UUID, issuer: Issuer) -> PrintedDocument:
    """Return the receipt. Raises Missing for the top-up, or Conflict if it is not paid."""
    top_up = await store.get_top_up(conn, top_up_id)
    if top_up.state is not TopUpState.PAID or top_up.paid_at is None:
        raise Conflict(f"{top_up.shown_id} is not paid, so it has no receipt").because(ErrorReason.TOP_UP_NOT_PAID)
    payment = (await store.read_lot_payments(conn, top_up.account_id)).values()
    credited = next(each.credited for each in payment if each.order_id == top_up.shown_id)
    account = await get_account(conn, top_up.account_id)
    facts = [
        ("Receipt of", top_up.shown_id),
        ("Paid at", f"{top_up.paid_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"),
        ("Paid by", " ".join([account.name, ids.show("acct", account.id)]).strip()),
        ("E-mail", ", ".join(account.emails)),
        ("Method", f"{top_up.processor}, {top_up.method}"),
        ("Payment ID", top_up.capture_id or ""),
        ("Agreed rate", f"{top_up.rate} {top_up.money.currency} for 1 USD" if top_up.rate else ""),
    ]
    rows = [("Credit for API usage", f"{credited} USD", top_up.before_tax)]
    if top_up.tax_minor:
        rows += [("Tax", "", Money(top_up.money.currency, top_up.tax_minor)), ("Total", "", top_up.money)]
    notes = ["This receipt is not a tax invoice."]
    if top_up.pretended:
        notes.append("Pretended payment: no processor is configured, and no money moved.")
    return PrintedDocument(
        "Receipt", issuer, facts, [PrintedTable("Payment", ("Item", "Credited", "Paid"), rows, 2)], notes
    )
