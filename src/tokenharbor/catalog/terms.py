"""The terms of an account: what its edition and its plan put on vendors' prices, for what is sold and what is shown."""

from typing import Protocol

import msgspec

from tokenharbor.catalog.pricing import Terms


class SellingPolicy(Protocol):
    """What the policy in force says of prices, in basis points."""

    @property
    def service_fee_bp(self) -> int: ...

    @property
    def discount_bp(self) -> int: ...

    def markup_of(self, model: str) -> int: ...


class AccountPlan(msgspec.Struct, frozen=True):
    """What an account pays in place of its edition's terms: a discount on marked-up prices, and a service fee (None:
    the edition's); and the discount of the volume tier that it has reached. In basis points.
    """

    name: str
    discount_bp: int | None = None
    service_fee_bp: int | None = None
    volume_discount_bp: int = 0


STANDARD_PLAN = AccountPlan("standard")


def account_terms(selling: SellingPolicy, plan: AccountPlan, model: str) -> Terms:
    """On a model, by its canonical name. Of two discounts the larger one holds; they do not add up."""
    fee_bp = selling.service_fee_bp if plan.service_fee_bp is None else plan.service_fee_bp
    discount_bp = selling.discount_bp if plan.discount_bp is None else plan.discount_bp
    return Terms(selling.markup_of(model), max(discount_bp, plan.volume_discount_bp), fee_bp)
