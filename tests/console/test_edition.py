"""Routes of the edition."""

import dataclasses
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from tests.console.conftest import Office

from tokenharbor.console.context import CONTEXT
from tokenharbor.console.routes.edition import PageNamesDocument, support_of
from tokenharbor.editions.load import load_edition
from tokenharbor.funding.rates import set_exchange_rate
from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.errors import Misconfigured


async def test_whoever_has_not_signed_in_sees_what_the_service_offers(office: Office) -> None:
    said = await office.anybody.get("/api/edition")
    assert said.status_code == 200
    shown = said.json()
    assert (shown["name"], shown["welcome_usd"]) == ("token-harbor", "5.000000000")
    assert shown["topups"]["packs_usd"][0] == "10.000000000"
    assert shown["rewards"]
    assert shown["pages"] == {"home": "home", "requests": "requests", "keys": "keys"}


async def test_a_currency_is_offered_while_it_has_a_rate_and_a_method_and_else_the_reason_is_told(
    office: Office, clock: ManualClock
) -> None:
    """What is not offered would be refused, and what is offered is not."""
    policy = load_edition("token-hub")
    both = {"card": frozenset({"USD", "CNY"}), "paypal": frozenset({"USD"})}
    processor = dataclasses.replace(office.processor, methods=both)
    terms = msgspec.structs.replace(policy.topups, currencies=("USD", "CNY"), methods=("card", "paypal"), processors=())
    selling = msgspec.structs.replace(policy, topups=msgspec.structs.replace(terms, processors=(processor.name,)))
    funding = dataclasses.replace(
        office.context.funding, policy=lambda: selling, processors={processor.name: processor}
    )
    office.app.state[CONTEXT] = dataclasses.replace(office.context, funding=funding)
    billing = office.member(AccountRole.BILLING)

    async def cny() -> tuple[list[str], str | None, str | None, int]:
        """What can be paid in; the rate, the fault, and what becomes of a top-up in CNY."""
        shown = (await office.anybody.get("/api/edition")).json()["topups"]
        [usd, other] = shown["sold_in"]
        assert (usd["fault"], usd["per_usd"], usd["methods"]) == (None, None, ["card", "paypal"])
        assert other["methods"] == [name for name, currencies in processor.methods.items() if "CNY" in currencies]
        body = {"amount_usd": str(terms.packs[0]), "currency": "CNY"}
        key = {"idempotency-key": clock.now().strftime("at-%H-%M-%S")}
        said = await billing.ask("POST", f"{office.account_path}/top-ups", json=body, headers=key)
        return shown["currencies"], other["per_usd"], other["fault"], said.status_code

    assert await cny() == (["USD"], None, "no_rate", 400)
    await set_exchange_rate(funding, "CNY", "7.2", lasts=timedelta(hours=1), actor="ops")
    assert await cny() == (["USD", "CNY"], "7.2", None, 201)
    clock.advance(timedelta(hours=1))
    assert await cny() == (["USD"], None, "rate_over", 400)
    await set_exchange_rate(funding, "CNY", "9.9", lasts=None, actor="ops")
    clock.advance(timedelta(seconds=1))
    assert (await cny())[2:] in {("no_rate", 400), ("rate_over", 400)}, "it waits for a second person"
    await set_exchange_rate(funding, "CNY", "7.2", lasts=None, actor="ops")
    processor.methods = {"card": frozenset({"USD"}), "paypal": frozenset({"USD"})}
    clock.advance(timedelta(seconds=1))
    assert await cny() == (["USD"], None, "no_method", 400)


def test_an_edition_that_gives_nothing_has_no_rewards() -> None:
    given = {name for name in ("token-harbor", "token-hub", "tokenhub", "relay") if load_edition(name).rewards}
    assert "token-harbor" in given
    assert "relay" not in given


def test_RLY_1_the_edition_names_console_logs_and_tokens() -> None:
    pages = PageNamesDocument.of(load_edition("relay").pages)
    assert (pages.home, pages.requests, pages.keys) == ("console", "logs", "tokens")


def test_help_is_where_the_edition_says_else_with_the_operator(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('extends = "relay"\n[pages]\nsupport = [{ label = "Forum", url = "https://example.com/forum" }]\n')
    stated = support_of(load_edition(str(own)).pages, "help@example.com")
    assert [(each.label, each.url) for each in stated] == [("Forum", "https://example.com/forum")]
    (operator,) = support_of(load_edition("relay").pages, "help@example.com")
    assert operator.url == "mailto:help@example.com"
    assert not support_of(load_edition("relay").pages, "")


@pytest.mark.parametrize("url", ["javascript:alert(1)", "http://example.com", "https://a b", "data:text/html,x"])
def test_help_is_a_page_or_an_address_of_mail(tmp_path: Path, url: str) -> None:
    own = tmp_path / "own.toml"
    own.write_text(f'extends = "relay"\n[pages]\nsupport = [{{ label = "x", url = "{url}" }}]\n')
    with pytest.raises(Misconfigured, match="support"):
        load_edition(str(own))
