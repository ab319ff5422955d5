"""The terms of an account: its edition's and its plan's changes to vendors' prices, for sales and for display."""

from typing import Protocol

import msgspec

from tokenharbor.catalog.pricing import Terms


class SellingPolicy(Protocol):
    """The price policy in force, in basis points."""

    @property
    def service_fee_bp(self) -> int: ...

    @property
    def discount_bp(self) -> int: ...

    def markup_of(self, model: str) -> int: ...


class AccountPlan(msgspec.Struct, frozen=True):
    """An account's terms in place of its edition's, in basis points: a discount on marked-up prices, a service fee
    (None: the edition's), and the discount of the volume tier that it has reached.
    """

    name: str
    discount_bp: int | None = None
    service_fee_bp: int | None = None
    volume_discount_bp: int = 0


STANDARD_PLAN = AccountPlan("standard")


def account_terms(selling: SellingPolicy, plan: AccountPlan, model: str) -> Terms:
    """Return the terms on a model, by its canonical name. The larger of two discounts applies; they do not add up."""
    fee_bp = selling.service_fee_bp if plan.service_fee_bp is None else plan.service_fee_bp
    discount_bp = selling.discount_bp if plan.discount_bp is None else plan.discount_bp
    return Terms(selling.markup_of(model), max(discount_bp, plan.volume_discount_bp), fee_bp)
