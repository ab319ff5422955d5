"""`rewards`, `codes`, `referrals`: rewards of accounts and their review, codes to redeem, and referrals."""

from datetime import timedelta
from typing import Any, Final

import click

from tokenharbor.accounts.changes import OPERATOR
from tokenharbor.app.commands.arguments import ACCOUNT, CODE, NAME, REASON, REWARD, SPAN, USD
from tokenharbor.app.commands.common import CommandResult, Group, field_lines, table
from tokenharbor.app.commands.database import at_database, changing
from tokenharbor.app.session import CommandSession
from tokenharbor.editions.load import load_edition
from tokenharbor.kernel import ids
from tokenharbor.kernel.documents import plain_document
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.rewards import codes as code_cases
from tokenharbor.rewards import grants, store
from tokenharbor.rewards.codes import CodeTerms
from tokenharbor.rewards.documents import CodeDocument, ReferralDocument, RewardDocument
from tokenharbor.rewards.idle import show_referrals
from tokenharbor.rewards.types import Reward, RewardState

_REWARD: Final = ("id", "account", "kind", "state", "usd", "wanted_usd", "at", "reason")
_REFERRAL: Final = ("account", "signed_up_at", "state", "active", "paid")
_CODE: Final = ("id", "usd", "uses", "used", "expires_at", "revoked_at", "note")


@click.group(cls=Group)
def rewards() -> None:
    """List, claim and review rewards."""


@rewards.command("list")
@click.argument("account_id", type=ACCOUNT, metavar="[ACCOUNT]", required=False)
@click.option("--state", type=click.Choice(list(RewardState)), help="Only those in this state.")
@at_database
async def list_rewards(session: CommandSession, account_id: UUID | None, state: str | None) -> CommandResult:
    """List rewards, oldest first. Rewards in state review wait for approve or refuse."""
    found = await store.list_rewards(session.conn, account_id, None if state is None else RewardState(state))
    documents = [plain_document(RewardDocument.of(each)) for each in found]
    return CommandResult(documents, table(_REWARD, [tuple(each[name] for name in _REWARD) for each in documents]))


@rewards.command()
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@at_database
async def claim(session: CommandSession, account_id: UUID) -> CommandResult:
    """Claim an account's welcome grant."""
    policy = load_edition(session.settings.edition)
    with changing(f"rewards list {ids.show('acct', account_id)}"):
        return _shown(await grants.claim_welcome(session.conn, session.world, policy, account_id))


@rewards.command()
@click.argument("reward_id", type=REWARD, metavar="REWARD")
@click.option("--by", type=NAME, default=OPERATOR, show_default=True, metavar="NAME", help="Who approves it.")
@at_database
async def approve(session: CommandSession, reward_id: UUID, by: str) -> CommandResult:
    """Grant a reward in review."""
    policy = load_edition(session.settings.edition)
    with changing("rewards list"):
        return _shown(await grants.approve(session.conn, session.world, policy, reward_id, actor=by))


@rewards.command()
@click.argument("reward_id", type=REWARD, metavar="REWARD")
@click.option("--reason", type=REASON, required=True, metavar="TEXT", help="Reason, shown with the reward.")
@click.option("--by", type=NAME, default=OPERATOR, show_default=True, metavar="NAME", help="Who refuses it.")
@at_database
async def refuse(session: CommandSession, reward_id: UUID, *, reason: str, by: str) -> CommandResult:
    """Refuse a reward in review."""
    return _shown(await grants.refuse(session.conn, session.world, reward_id, reason=reason, actor=by))


@click.group(cls=Group)
def codes() -> None:
    """Create, list, revoke and redeem codes."""


@codes.command()
@click.option("--usd", type=USD, required=True, metavar="USD", help="Credit for each account, such as 5.00.")
@click.option(
    "--uses",
    type=click.IntRange(1, 1_000_000),
    default=1,
    show_default=True,
    metavar="N",
    help="Number of accounts that can redeem it.",
)
@click.option("--for", "open_for", type=SPAN, metavar="30d", help="Time until the code can no longer be redeemed.")
@click.option("--expires", "lasts", type=SPAN, metavar="30d", help="Time until unused credit expires, once redeemed.")
@click.option("--note", type=REASON, default="", metavar="TEXT", help="Note for operators.")
@click.option("--by", type=NAME, default=OPERATOR, show_default=True, metavar="NAME", help="Who creates it.")
@at_database
async def create(session: CommandSession, /, **options: Any) -> CommandResult:
    """Create a code and print it. The code is shown only once."""
    terms = _terms(**{name: options[name] for name in ("usd", "uses", "note", "open_for", "lasts")})
    made = await code_cases.create_code(session.conn, session.world, terms, actor=options["by"])
    return CommandResult(plain_document(CodeDocument.of(made.code, made.text)), [made.text])


@codes.command("list")
@at_database
async def list_codes(session: CommandSession) -> CommandResult:
    """List codes and their redemptions, oldest first."""
    documents = [plain_document(CodeDocument.of(each)) for each in await store.list_codes(session.conn)]
    return CommandResult(documents, table(_CODE, [tuple(each[name] for name in _CODE) for each in documents]))


@codes.command()
@click.argument("code_id", type=CODE, metavar="CODE_ID")
@at_database
async def revoke(session: CommandSession, code_id: UUID) -> CommandResult:
    """Revoke a code. Credit already redeemed stays."""
    document = plain_document(CodeDocument.of(await code_cases.revoke_code(session.conn, session.world, code_id)))
    return CommandResult(document, [f"{document['id']} revoked at {document['revoked_at']}"])


@codes.command()
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@click.argument("text", metavar="CODE")
@at_database
async def redeem(session: CommandSession, account_id: UUID, text: str) -> CommandResult:
    """Redeem a code for an account."""
    policy = load_edition(session.settings.edition)
    with changing(f"rewards list {ids.show('acct', account_id)}"):
        return _shown(await code_cases.redeem(session.conn, session.world, policy, account_id, text))


@click.group(cls=Group)
def referrals() -> None:
    """Show an account's referral code and referrals."""


@referrals.command()
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@at_database
async def show(session: CommandSession, account_id: UUID) -> CommandResult:
    """Show an account's referral code and the accounts it referred."""
    policy = load_edition(session.settings.edition)
    code, referred = await show_referrals(session.conn, session.world, policy, account_id)
    found = [plain_document(ReferralDocument.of(each)) for each in referred]
    rows = table(tuple(_REFERRAL), [tuple(each[name] for name in _REFERRAL) for each in found])
    return CommandResult({"code": code, "referrals": found}, [f"code: {code}", *rows])


def _terms(*, usd: Usd, uses: int, note: str, open_for: timedelta | None, lasts: timedelta | None) -> CodeTerms:
    return CodeTerms(amount=usd, uses=uses, note=note, open_for=open_for, lasts=lasts)


def _shown(reward: Reward) -> CommandResult:
    document = plain_document(RewardDocument.of(reward))
    return CommandResult(document, list(field_lines(document)))
