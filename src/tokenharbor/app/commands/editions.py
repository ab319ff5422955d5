"""`edition`: the policy in force, its plans, and the editions included."""

import click

from tokenharbor.app.commands.common import CommandResult, Group, current_settings, show_result, table
from tokenharbor.editions.files import edition_names
from tokenharbor.editions.load import load_edition, sections, write_edition
from tokenharbor.kernel.documents import plain_document


@click.group(cls=Group)
def edition() -> None:
    """Show and list editions."""


@edition.command()
@click.argument("name", required=False)
def show(name: str | None) -> None:
    """Show an edition's file with every field. The default is the edition in force."""
    policy = load_edition(name or current_settings().edition)
    lines = [f"# {policy.name}", *write_edition(policy).splitlines()]
    show_result(CommandResult({"name": policy.name, **sections(policy)}, lines))


@edition.command()
def plans() -> None:
    """List the plans of the edition in force."""
    from tokenharbor.accounts.documents import PlanDocument  # noqa: PLC0415  loads asyncpg, which `list` does not need

    found = [plain_document(PlanDocument.of(*each)) for each in load_edition(current_settings().edition).plans.items()]
    head = ("plan", "label", "account_rpm", "account_concurrency", "service_fee_bp", "discount_bp", "sla", "support")
    rows = [tuple(each[name] for name in head) for each in found]
    show_result(CommandResult(found, table(head, rows) or ["no plans"]))


@edition.command("list")
def list_all() -> None:
    """List the included editions."""
    names = list(edition_names())
    show_result(CommandResult(names, names))
