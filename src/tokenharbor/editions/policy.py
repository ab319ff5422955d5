"""Policy: what the four reference services do differently, as typed fields in sections; an edition states them all."""

from collections.abc import Mapping
from typing import Annotated

import msgspec

BasisPoints = Annotated[int, msgspec.Meta(ge=0, le=100_000)]
Share = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class PricePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[price]`: what a request costs beside the vendor's price."""

    service_fee_bp: BasisPoints  # on top of the model fee, its own posting
    markup_bp: BasisPoints  # on the vendor's price, for models not in the table below
    markup_bp_by_model: Mapping[str, BasisPoints]

    def markup_of(self, model: str) -> int:
        """The markup on a model, by its canonical name, in basis points."""
        return self.markup_bp_by_model.get(model, self.markup_bp)


class FailoverPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[failover]`: whether a failed provider is followed by another of the same model."""

    enabled: bool
    max_providers: Count  # tried for one request, the first included

    @property
    def at_most(self) -> int:
        """How many providers are tried for one request."""
        return self.max_providers if self.enabled else 1


class CapPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[cap]`: the output's maximum where the caller set none and the balance does not cover the model's."""

    share_bp: Share  # of the available balance
    min_tokens: Count  # of output: below it the request is refused rather than capped


class BillingPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`[billing]`: what is billed beside complete answers."""

    broken_streams: bool  # what was delivered before an upstream broke


class Sections(msgspec.Struct, frozen=True, kw_only=True):
    """An edition's file. Every field of every section is stated in it, so that nothing is policy by default."""

    price: PricePolicy
    failover: FailoverPolicy
    cap: CapPolicy
    billing: BillingPolicy


class Policy(Sections, frozen=True, kw_only=True):
    """The policy in force, under its edition's name."""

    name: str
