"""Routes of the edition: what this service offers, for whoever has not signed in yet."""

from collections.abc import Sequence
from typing import Final, Self

from litestar import get
from litestar.handlers import HTTPRouteHandler

from tokenharbor import __version__
from tokenharbor.console.authority import Right
from tokenharbor.console.context import Context
from tokenharbor.editions.policy import Policy, TopUpPolicy
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.money import Usd


class TopUpOfferDocument(Document, frozen=True):
    """What can be paid in. `custom`: any amount from `min_usd` to `max_usd`."""

    packs_usd: Sequence[Usd]
    custom: bool
    min_usd: Usd
    max_usd: Usd
    currencies: Sequence[str]
    methods: Sequence[str]

    @classmethod
    def of(cls, topups: TopUpPolicy) -> Self:
        return cls(
            packs_usd=topups.packs,
            custom=topups.custom,
            min_usd=topups.minimum,
            max_usd=topups.maximum,
            currencies=topups.currencies,
            methods=topups.methods,
        )


class EditionDocument(Document, frozen=True):
    """What this service offers, and the words that agreeing to free models needs. `openid`: another service that people
    can sign in by.
    """

    name: str
    version: str
    has_sign_up: bool
    openid: str | None
    welcome_usd: Usd
    welcome_days: int
    codes: bool
    free_consent: str
    topups: TopUpOfferDocument
    customer_refunds: bool
    withdrawals: bool
    auto_topup: bool

    @classmethod
    def of(cls, policy: Policy, openid: str | None) -> Self:
        return cls(
            name=policy.name,
            version=__version__,
            has_sign_up=policy.sign_up.enabled,
            openid=openid,
            welcome_usd=policy.grants.welcome,
            welcome_days=policy.grants.welcome_days,
            codes=policy.grants.codes,
            free_consent=policy.free.consent,
            topups=TopUpOfferDocument.of(policy.topups),
            customer_refunds=policy.refunds.customer,
            withdrawals=policy.withdrawals.enabled,
            auto_topup=policy.auto_topup.enabled,
        )


@get("/api/edition", right=Right.ANYBODY, operation_id="getEdition", tags=["edition"])
async def read_edition(context: Context) -> EditionDocument:
    """What this service offers."""
    openid = context.sign_in.openid
    return EditionDocument.of(context.policy(), None if openid is None else openid.config.name)


EDITION_ROUTES: Final[Sequence[HTTPRouteHandler]] = (read_edition,)
