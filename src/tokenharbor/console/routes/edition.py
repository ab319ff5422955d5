"""Routes of the edition: what this service offers, readable without a sign-in."""

from collections.abc import Iterable, Sequence
from typing import Final, Literal, Self

from litestar import get
from litestar.handlers import HTTPRouteHandler

from tokenharbor import __version__
from tokenharbor.console.authority import Right
from tokenharbor.console.context import Context
from tokenharbor.editions.policy import PagePolicy, Policy
from tokenharbor.funding.context import Funding
from tokenharbor.funding.offers import CurrencyFault, CurrencyOffer, list_methods, read_currencies
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.money import Usd
from tokenharbor.payments.types import ProcessorAbility
from tokenharbor.signin.passkey_site import has_passkeys


class CurrencyOfferDocument(Document, frozen=True):
    """A currency that the edition sells in, with the payment methods that accept it. `per_usd` is the price of one US
    dollar in it (null for USD); `fault` says why it cannot be used now.
    """

    currency: str
    methods: Sequence[str]
    per_usd: str | None
    fault: CurrencyFault | None

    @classmethod
    def of(cls, found: CurrencyOffer) -> Self:
        rate = None if found.rate is None else found.rate.per_usd
        return cls(currency=found.currency, methods=found.methods, per_usd=rate, fault=found.fault)


class TopUpOfferDocument(Document, frozen=True):
    """The top-ups on offer. `custom`: any amount from `min_usd` to `max_usd`. `currencies` can be used now; `sold_in`
    are all currencies of the edition. `methods` are those of the configured processors; auto top-up can charge the
    `savable` ones.
    """

    packs_usd: Sequence[Usd]
    custom: bool
    min_usd: Usd
    max_usd: Usd
    currencies: Sequence[str]
    sold_in: Sequence[CurrencyOfferDocument]
    methods: Sequence[str]
    savable: Sequence[str]

    @classmethod
    def of(cls, funding: Funding, sold_in: Sequence[CurrencyOffer]) -> Self:
        topups, methods = funding.policy().topups, list_methods(funding)
        savable = _names(each.savable for each in funding.offered(ProcessorAbility.CHARGE_SAVED))
        return cls(
            packs_usd=topups.packs,
            custom=topups.custom,
            min_usd=topups.minimum,
            max_usd=topups.maximum,
            currencies=[each.currency for each in sold_in if each.fault is None],
            sold_in=[CurrencyOfferDocument.of(each) for each in sold_in],
            methods=methods,
            savable=[each for each in methods if each in savable],
        )


class PageNamesDocument(Document, frozen=True):
    """The names of three pages of the dashboard."""

    home: Literal["home", "console"]
    requests: Literal["requests", "logs"]
    keys: Literal["keys", "tokens"]

    @classmethod
    def of(cls, pages: PagePolicy) -> Self:
        return cls(pages.home, pages.requests, pages.keys)


class SupportDocument(Document, frozen=True):
    """A link to support."""

    label: str
    url: str


def support_of(pages: PagePolicy, operator_email: str) -> Sequence[SupportDocument]:
    """Return the edition's support links, else the operator's e-mail address."""
    if pages.support or not operator_email:
        return [SupportDocument(link.label, link.url) for link in pages.support]
    return [SupportDocument(operator_email, f"mailto:{operator_email}")]


class EditionDocument(Document, frozen=True):
    """What this service offers. `openid` is the name of the OpenID provider for sign-in, if any; `free_consent` is the
    wording that a user must agree to before using free models.
    """

    name: str
    version: str
    has_sign_up: bool
    openid: str | None
    passkeys: bool
    welcome_usd: Usd
    welcome_days: int
    rewards: bool
    codes: bool
    free_consent: str
    topups: TopUpOfferDocument
    customer_refunds: bool
    withdrawals: bool
    auto_topup: bool
    pages: PageNamesDocument
    support: Sequence[SupportDocument]

    @classmethod
    def of(
        cls, policy: Policy, openid: str | None, topups: TopUpOfferDocument, operator_email: str, *, passkeys: bool
    ) -> Self:
        return cls(
            name=policy.name,
            version=__version__,
            has_sign_up=policy.sign_up.enabled,
            openid=openid,
            passkeys=passkeys,
            welcome_usd=policy.grants.welcome,
            welcome_days=policy.grants.welcome_days,
            rewards=policy.rewards,
            codes=policy.grants.codes,
            free_consent=policy.free.consent,
            topups=topups,
            customer_refunds=policy.refunds.customer,
            withdrawals=policy.withdrawals.enabled,
            auto_topup=policy.auto_topup.enabled,
            pages=PageNamesDocument.of(policy.pages),
            support=support_of(policy.pages, operator_email),
        )


@get("/api/edition", right=Right.ANYBODY, operation_id="getEdition", tags=["edition"])
async def read_edition(context: Context) -> EditionDocument:
    """Get what this service offers."""
    openid = context.sign_in.openid
    name = None if openid is None else openid.config.name
    passkeys = has_passkeys(context.sign_in)
    topups = TopUpOfferDocument.of(context.funding, await read_currencies(context.funding))
    return EditionDocument.of(context.policy(), name, topups, context.issuer.email, passkeys=passkeys)


EDITION_ROUTES: Final[Sequence[HTTPRouteHandler]] = (read_edition,)


def _names(groups: Iterable[Iterable[str]]) -> set[str]:
    return {name for group in groups for name in group}
