"""`topups`: top-ups from intent to credit, payments entered by an operator, and exchange rates."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, BinaryIO, Final

import click

from tokenharbor.accounts.changes import OPERATOR
from tokenharbor.app.commands.arguments import ACCOUNT, NAME, SPAN, TOP_UP, USD
from tokenharbor.app.commands.common import CommandResult, Group, field_lines, table
from tokenharbor.app.commands.database import at_database, changing
from tokenharbor.app.commands.pdf_output import issuer_of, write_printed
from tokenharbor.app.funding import open_command_funding, with_pretended
from tokenharbor.app.session import CommandSession
from tokenharbor.editions.load import load_edition
from tokenharbor.funding import pretended, store
from tokenharbor.funding.documents import ExchangeRateDocument, KeptCreditDocument, RefundDocument, TopUpDocument
from tokenharbor.funding.fulfil import fulfil
from tokenharbor.funding.manual import ManualPayment, confirm_payment, record_payment
from tokenharbor.funding.payment_receipts import make_payment_receipt
from tokenharbor.funding.rates import confirm_exchange_rate, set_exchange_rate
from tokenharbor.funding.store import TopUpFilter
from tokenharbor.funding.top_up_balances import NOTHING_PAID, read_top_up_balances
from tokenharbor.funding.topups import TopUpRequest, open_top_up
from tokenharbor.funding.types import TopUp, TopUpState
from tokenharbor.kernel import ids
from tokenharbor.kernel.documents import plain_document
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd

_COLUMNS: Final = ("id", "account", "state", "amount", "currency", "credit_usd", "processor", "created_at", "fault")


@click.group(cls=Group)
def topups() -> None:
    """Open, list and update top-ups, and enter payments."""


@topups.command()
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@click.option("--usd", type=USD, required=True, metavar="USD", help="Credit to buy, such as 10.00.")
@click.option("--currency", type=NAME, default="USD", show_default=True, metavar="CODE", help="Currency to pay in.")
@click.option("--processor", type=NAME, metavar="NAME", help="Processor; the edition's first by default.")
@click.option("--method", type=NAME, metavar="NAME", help="Method; the processor's first by default.")
@click.option("--key", type=NAME, metavar="KEY", help="Idempotency key.")
@click.option("--save", is_flag=True, help="Save the method for auto top-up, with the payer's consent.")
@at_database
async def create(session: CommandSession, /, account_id: UUID, **options: Any) -> CommandResult:
    """Open a top-up and print its payment URL."""
    request = TopUpRequest(
        account_id=account_id,
        amount=options["usd"],
        currency=options["currency"].upper(),
        idempotency_key=options["key"] or f"command-{session.world.entropy.bytes(16).hex()}",
        actor=OPERATOR,
        processor=options["processor"],
        method=options["method"],
        save_method=options["save"],
    )
    async with open_command_funding(session) as funding:
        with changing(f"topups list {ids.show('acct', account_id)}"):
            opened = await open_top_up(funding, request)
    lines = [opened.shown_id, f"pay {opened.money} at {opened.url}"]
    [document] = await _documents(session, [opened])
    return CommandResult(document, lines + _warn_if_pretended([opened]))


@topups.command("list")
@click.argument("account_id", type=ACCOUNT, metavar="[ACCOUNT]", required=False)
@click.option("--state", type=click.Choice([each.value for each in TopUpState]), help="Only those in this state.")
@click.option("--before", type=TOP_UP, metavar="TOPUP", help="Only top-ups older than this one.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=100,
    show_default=True,
    metavar="N",
    help="Number of top-ups, at most.",
)
@at_database
async def list_all(
    session: CommandSession, account_id: UUID | None, *, state: str | None, before: UUID | None, limit: int
) -> CommandResult:
    """List top-ups, newest first."""
    wanted = TopUpFilter(account_id, None if state is None else TopUpState(state), before, limit)
    found = await store.list_top_ups(session.conn, wanted)
    documents = await _documents(session, found)
    lines = table(_COLUMNS, [tuple(each[column] for column in _COLUMNS) for each in documents])
    return CommandResult(documents, lines + _warn_if_pretended(found))


@topups.command()
@click.argument("top_up_id", type=TOP_UP, metavar="TOPUP")
@at_database
async def show(session: CommandSession, top_up_id: UUID) -> CommandResult:
    """Show a top-up."""
    return await _shown(session, await store.get_top_up(session.conn, top_up_id))


@topups.command()
@click.argument("top_up_id", type=TOP_UP, metavar="TOPUP")
@at_database
async def sync(session: CommandSession, top_up_id: UUID) -> CommandResult:
    """Update a top-up from its processor. Credits its payment."""
    async with open_command_funding(session) as funding:
        with changing(f"topups show {ids.show('topup', top_up_id)}"):
            return await _shown(session, await fulfil(funding, top_up_id))


@topups.command()
@click.argument("top_up_id", type=TOP_UP, metavar="TOPUP")
@click.option("--pdf", type=click.File("wb", lazy=True), required=True, metavar="FILE", help="File to write.")
@at_database
async def receipt(session: CommandSession, top_up_id: UUID, *, pdf: BinaryIO) -> CommandResult:
    """Write the receipt of a paid top-up. It has the details of `[operator]`, and is not a tax invoice."""
    printed = await make_payment_receipt(session.conn, top_up_id, issuer_of(session.settings))
    return write_printed(printed, pdf)


@topups.command()
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@click.option("--usd", type=USD, required=True, metavar="USD", help="Amount received, such as 250.00.")
@click.option("--reference", type=NAME, required=True, metavar="TEXT", help="Bank reference, used once.")
@click.option("--by", type=NAME, default=OPERATOR, show_default=True, metavar="NAME", help="Who enters it.")
@at_database
async def record(session: CommandSession, account_id: UUID, *, usd: Usd, reference: str, by: str) -> CommandResult:
    """Enter a payment, such as a bank transfer. A large one must be confirmed by a second person (`topups confirm`)."""
    async with open_command_funding(session) as funding:
        with changing(f"topups list {ids.show('acct', account_id)}"):
            recorded = await record_payment(funding, ManualPayment(account_id, usd, reference, by))
    return await _shown(session, recorded)


@topups.command()
@click.argument("top_up_id", type=TOP_UP, metavar="TOPUP")
@click.option("--by", type=NAME, default=OPERATOR, show_default=True, metavar="NAME", help="Who confirms it.")
@at_database
async def confirm(session: CommandSession, top_up_id: UUID, *, by: str) -> CommandResult:
    """Confirm a payment entered by another person."""
    async with open_command_funding(session) as funding:
        with changing(f"topups show {ids.show('topup', top_up_id)}"):
            return await _shown(session, await confirm_payment(funding, top_up_id, by))


@topups.command()
@click.option("--by", type=NAME, default=OPERATOR, show_default=True, metavar="NAME", help="Who decides.")
@at_database
async def forget_pretended(session: CommandSession, *, by: str) -> CommandResult:
    """Take back unspent credit of pretended payments. Rewards for them are taken back too; spent credit stays spent."""
    async with open_command_funding(session) as funding:
        with changing("refunds list"):
            done = await pretended.forget_pretended(with_pretended(funding), by)
    refunds = [plain_document(RefundDocument.of(each)) for each in done.refunds]
    kept = [plain_document(KeptCreditDocument.of(each)) for each in done.kept]
    lines = [f"{each['top_up']}: {each['credit_usd']} USD, {each['state']}" for each in refunds]
    lines += [f"{each['top_up']}: kept: {each['reason']}" for each in kept]
    failure = f"the credit of {len(kept)} top-ups was not taken back" if kept else None
    return CommandResult({"refunds": refunds, "kept": kept}, lines or ["no pretended credit left"], failure)


@topups.command()
@click.option("--set", "stated", type=(NAME, NAME), metavar="CURRENCY RATE", help="Set a rate, such as CNY 7.1234.")
@click.option("--confirm", metavar="CURRENCY", help="Confirm a rate set by another person.")
@click.option("--for", "lasts", type=SPAN, metavar="24h", help="Time until the rate expires.")
@click.option("--by", type=NAME, default=OPERATOR, show_default=True, metavar="NAME", help="Who sets or confirms it.")
@at_database
async def rates(
    session: CommandSession, *, stated: tuple[str, str] | None, confirm: str | None, lasts: timedelta | None, by: str
) -> CommandResult:
    """List exchange rates, or set one. A rate that differs much from the last must be confirmed by a second person."""
    async with open_command_funding(session) as funding:
        if stated is not None:
            await set_exchange_rate(funding, stated[0].upper(), stated[1], lasts=lasts, actor=by)
        if confirm is not None:
            await confirm_exchange_rate(funding, confirm.upper(), by)
    found = [plain_document(ExchangeRateDocument.of(each)) for each in await store.list_rates(session.conn)]
    heads = ("currency", "per_usd", "set_at", "ends_at", "actor", "waits", "confirmed_by")
    return CommandResult(found, table(heads, [tuple(each[head] for head in heads) for each in found]))


async def _documents(session: CommandSession, found: Sequence[TopUp]) -> list[Any]:
    policy = load_edition(session.settings.edition).refunds
    balances = await read_top_up_balances(session.conn, policy, found, session.world.clock.now())
    return [plain_document(TopUpDocument.of(each, balances.get(each.id, NOTHING_PAID))) for each in found]


async def _shown(session: CommandSession, top_up: TopUp) -> CommandResult:
    [document] = await _documents(session, [top_up])
    return CommandResult(document, [*field_lines(document), *_warn_if_pretended([top_up])])


def _warn_if_pretended(found: Iterable[TopUp]) -> list[str]:
    some = any(each.pretended for each in found)
    return ["pretended: no processor is configured, and no money moves"] if some else []
