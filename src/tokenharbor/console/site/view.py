"""What is on sale as the pages show it, worked out once a minute, and when something else is sold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from tokenharbor.catalog.describe import ModelsOnSale
from tokenharbor.catalog.find import NameIndex
from tokenharbor.catalog.price import load_price
from tokenharbor.catalog.schedule import OfferedPrice
from tokenharbor.catalog.types import Catalog
from tokenharbor.console.context import ConsoleContext
from tokenharbor.console.site.cards import ModelCard, ModelChoices, choices_of, make_cards
from tokenharbor.console.site.model_page import PriceChanges
from tokenharbor.editions.policy import Policy
from tokenharbor.kernel.errors import DatabaseUnavailable
from tokenharbor.ledger.endpoint_days import AnswerCount, read_answer_counts
from tokenharbor.ledger.offered_prices import read_changed_offers

ANSWERED_DAYS: Final = 7
"""Today (UTC) is one of them."""

_log = structlog.get_logger("console")


@dataclass(frozen=True, slots=True)
class SaleView:
    """The models on sale in one minute."""

    sale: ModelsOnSale
    catalog: Catalog
    policy: Policy
    at: datetime
    index: NameIndex
    cards: Mapping[str, ModelCard]
    choices: ModelChoices
    changes: PriceChanges
    answers: Mapping[str, AnswerCount]  # by endpoint; only shares of them are shown

    def is_of(self, context: ConsoleContext) -> bool:
        """Whether nothing has changed since."""
        return self.sale is context.models() and self.policy is context.policy() and self.at == minute_of(context)


def minute_of(context: ConsoleContext) -> datetime:
    return context.world.clock.now().replace(second=0, microsecond=0)


async def view_sale(context: ConsoleContext, last: SaleView | None) -> SaleView:
    """The view of now. Without the database, what it knows is as `last` knew it."""
    sale, catalog, at = context.models(), context.catalog(), minute_of(context)
    vendors = {each.name: each.label for each in catalog.providers.values() if each.label}
    cards = make_cards(sale, vendors, at)
    return SaleView(
        sale=sale,
        catalog=catalog,
        policy=context.policy(),
        at=at,
        index=last.index if last is not None and last.catalog is catalog else NameIndex(catalog),
        cards={card.id: card for card in cards},
        choices=choices_of(cards),
        changes=await _read_changes(context, last),
        answers=await _read_answers(context, last, at),
    )


async def _read_changes(context: ConsoleContext, last: SaleView | None) -> PriceChanges:
    try:
        found = await read_changed_offers(context.pool)
    except DatabaseUnavailable as error:
        _log.warning("price_history_unavailable", reason=str(error))
        return {} if last is None else last.changes
    return {name: _offered([(each.since, each.body) for each in bodies]) for name, bodies in found.items()}


async def _read_answers(context: ConsoleContext, last: SaleView | None, at: datetime) -> Mapping[str, AnswerCount]:
    try:
        return await read_answer_counts(context.pool, at.date() - timedelta(days=ANSWERED_DAYS - 1))
    except DatabaseUnavailable as error:
        _log.warning("health_unavailable", reason=str(error))
        return {} if last is None else last.answers


def _offered(bodies: Sequence[tuple[datetime, str]]) -> Sequence[OfferedPrice]:
    return [OfferedPrice(since, load_price(body.encode())) for since, body in bodies]
