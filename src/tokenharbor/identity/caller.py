"""Who is calling: what a key's snapshot says, frozen."""

from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

import msgspec

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.payer import Payer


class StatedRates(msgspec.Struct, frozen=True, gc=False):
    """Requests a minute, tokens a minute, requests open at once, as a key's or an account's row states them. None: not
    stated; 0: unlimited.
    """

    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None


UNSTATED = StatedRates()


SemanticState = Literal["off", "on", "stopped"]
"""Of an account's semantic cache. What has stopped itself stays so until somebody turns it on or off."""


class SemanticChoice(msgspec.Struct, frozen=True, gc=False):
    """What an account says of answers to questions in other words. `compared`: how many were since it was turned on, up
    to where it no longer matters; `epoch` grows with each disagreement; `by_request`: a request may ask for them where
    they are off.
    """

    state: SemanticState = "off"
    compared: int = 0
    epoch: int = 0
    by_request: bool = True


NO_SEMANTIC_CACHE = SemanticChoice()


class AccountRules(msgspec.Struct, frozen=True):
    """What an account's row says of the requests of all its keys. `plan` "": none that is stated."""

    plan: str = ""
    rates: StatedRates = UNSTATED
    key_rates: StatedRates = UNSTATED  # of each of its keys
    free_models: bool = False  # consent to free models is in force
    topped_up: Usd = ZERO  # net of refunds and disputes
    volume: Usd = ZERO  # the threshold of the volume tier that its spend of this month has reached
    shared_cache: bool = False  # its keys and end users may have each other's answers
    semantic: SemanticChoice = NO_SEMANTIC_CACHE


PLAIN_ACCOUNT = AccountRules()


@dataclass(frozen=True, slots=True, eq=False)
class Caller:
    """An API key in force. Empty sets mean no rule. A key that changes, or whose account changes, is another object,
    and unequal to this one. `payer` has no limits: they follow from the policy, too (`limits.py`).
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
