"""The caller: an API key in force with its rules and its account's, frozen."""

from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

import msgspec

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.payer import Payer


class StatedRates(msgspec.Struct, frozen=True, gc=False):
    """The rate limits that the row of a key or an account states: requests a minute, tokens a minute, requests open at
    once. None means not stated, 0 unlimited.
    """

    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None


UNSTATED = StatedRates()


SemanticState = Literal["off", "on", "stopped"]
"""The state of an account's semantic cache. One that stopped itself stays so until a person turns it on or off."""


class SemanticChoice(msgspec.Struct, frozen=True, gc=False):
    """An account's setting of the semantic cache. `compared` counts the comparisons since it was turned on, up to the
    length of the trial; `epoch` grows with each disagreement; `by_request` lets requests ask for the cache while it is
    off.
    """

    state: SemanticState = "off"
    compared: int = 0
    epoch: int = 0
    by_request: bool = True


NO_SEMANTIC_CACHE = SemanticChoice()


class AccountRules(msgspec.Struct, frozen=True):
    """The rules of an account's row for the requests of all its keys. `plan` is "" if none is stated."""

    plan: str = ""
    rates: StatedRates = UNSTATED
    key_rates: StatedRates = UNSTATED  # of each of its keys
    free_models: bool = False  # consent to free models is in force
    topped_up: Usd = ZERO  # net of refunds and disputes
    volume: Usd = ZERO  # the threshold of the volume tier reached by the spending of this month
    shared_cache: bool = False  # its keys and end users share cached answers
    semantic: SemanticChoice = NO_SEMANTIC_CACHE


PLAIN_ACCOUNT = AccountRules()


@dataclass(frozen=True, slots=True, eq=False)
class Caller:
    """An API key in force. Empty sets mean no rule. A change of the key or of its account makes another object, unequal
    to this one. `payer` has no limits yet, as they also depend on the policy (`limits.py`).
    """

    payer: Payer
    models: frozenset[str] = frozenset()
    providers: frozenset[str] = frozenset()
    denied_providers: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    expires_at: datetime | None = None
    rates: StatedRates = UNSTATED
    account: AccountRules = PLAIN_ACCOUNT

    @property
    def account_id(self) -> UUID:
        return self.payer.account_id

    @property
    def key_id(self) -> UUID:
        return self.payer.key_id
