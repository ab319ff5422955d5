"""What the books take and give: holds, settlements, credits, balances; all frozen."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import cached_property

import msgspec

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.payer import Payer


class Pool(StrEnum):
    """Where a credit lies."""

    PAID = "paid"
    TRIAL = "trial"
    MATCH = "match"
    LOCKED = "locked"
    PROMO = "promo"


class Restriction(StrEnum):
    """Where credit of a lot lies that is not on the line: it cannot be spent."""

    LOCKED = "locked"  # of a match, until it is unlocked
    PAYOUT = "payout"  # on its way out, until a processor has answered


class Product(msgspec.Struct, frozen=True, dict=True):
    """What is sold: a model at a provider, by an edition, at a version of its price. Made once and shared by all
    requests for it. Without a provider: nobody served. `metadata_expires`: the entries of its requests name neither
    provider nor version, so that both go with the detail.
    """

    model: str
    provider: str
    edition: str
    region: str = ""
    price_version: bytes = b""
    metadata_expires: bool = False

    @cached_property
    def elements(self) -> tuple[str, str, str, str, str]:
        """Each field as an element of an array in PostgreSQL's text."""
        texts = (self.model, self.provider, self.edition, self.region)
        model, provider, edition, region = [_quoted(text) for text in texts]
        return model, provider, edition, region, _quoted(f"\\x{self.price_version.hex()}")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Hold(msgspec.Struct, frozen=True):
    """A reservation asked for: `amount` for a request, until it is settled or released. `tokens` is the bound of its
    input and output; `free_limit` is how many requests to free models the account has in their window; 0: this is none.
    """

    request_id: UUID
    payer: Payer
    amount: Usd
    at: datetime
    tokens: int = 0
    free_limit: int = 0


class HoldRefusal(StrEnum):
    """Why a hold was refused."""

    BALANCE = "balance"
    QUOTA = "quota"
    DAILY = "daily"
    MONTHLY = "monthly"
    DEBT = "debt"
    UNKNOWN = "unknown"  # no such account or key
    ACCOUNT_DAILY = "account_daily"
    ACCOUNT_MONTHLY = "account_monthly"
    KEY_RPM = "key_rpm"
    KEY_TPM = "key_tpm"
    KEY_CONCURRENCY = "key_concurrency"
    ACCOUNT_RPM = "account_rpm"
    ACCOUNT_TPM = "account_tpm"
    ACCOUNT_CONCURRENCY = "account_concurrency"
    FREE = "free"


class WindowUse(msgspec.Struct, frozen=True, gc=False):
    """What a window counts at the end of a batch, and the requests that are open."""

    requests: int
    tokens: int
    open: int
    ends_in_ms: int


class RateUse(msgspec.Struct, frozen=True, gc=False):
    """The windows of a payer."""

    key: WindowUse
    account: WindowUse


class PlacedHold(msgspec.Struct, frozen=True, gc=False):
    """The hold stands. `rates` is one object for each payer of a batch; None where the payer has no limit."""

    amount: Usd
    rates: RateUse | None = None


class RefusedHold(msgspec.Struct, frozen=True):
    """The hold does not stand; what was there when it was looked at. `limit_left` is what the named quota or budget
    still allows, where that was the reason; where tokens were, what all of them allow. `tokens_left` is what the
    windows of key and account allow; None: no limit. `retry_ms` is when a refusal by a rate ends; 0: not by waiting.
    `rates` as of a placed one.
    """

    why: HoldRefusal
    available: Usd
    held: Usd
    limit_left: Usd = ZERO
    tokens_left: int | None = None
    retry_ms: int = 0
    rates: RateUse | None = None


class RequestEnd(msgspec.Struct, frozen=True):
    """The end of a request, and the row of `request` that explains it: its detail may be erased, the books stay whole.

    `detail` is JSON text; its digest with the salt is what the entry keeps.
    """

    request_id: UUID
    payer: Payer
    product: Product
    status: str  # complete | hung_up | failed | refused
    detail: bytes
    salt: bytes
    at: datetime


class Settlement(RequestEnd, frozen=True):
    """A charge asked for: `cost` in all, of which `fee` is the service fee; `vendor_cost` is ours to pay. `bound` is
    the quote's, and the most that is charged. `tokens` are those that were used, of input and output together.
    """

    cost: Usd
    fee: Usd
    vendor_cost: Usd
    bound: Usd
    tokens: int = 0


class Release(RequestEnd, frozen=True):
    """A hold given back: nothing valid was delivered. `loss` is what the vendor costs us all the same."""

    loss: Usd


class SettledCharge(msgspec.Struct, frozen=True):
    """What was charged: less than the cost only if the bound, the balance or the key's limits did not cover it (an
    overrun). A repeated settlement answers what the first one did, with `again` set.
    """

    charge: Usd
    fee: Usd
    overrun: Usd
    again: bool = False


class Credit(msgspec.Struct, frozen=True):
    """A lot to be granted. Debt is paid first; `reference` makes it once."""

    entry_id: UUID
    lot_id: UUID
    account_id: UUID
    pool: Pool
    origin: str  # top-up | referral | cashback | operator | welcome | …
    amount: Usd
    at: datetime
    reason: str
    expires_at: datetime | None = None
    refundable_until: datetime | None = None
    withdrawable_from: datetime | None = None
    reference: str | None = None
    source: str | None = None  # the address it comes from; None: as its origin says
    tax: Usd = ZERO  # what came with it from there and is owed as tax


class Balance(msgspec.Struct, frozen=True):
    """An account's money: `available` excludes held and locked; `pools` is what remains in each, held included."""

    available: Usd
    held: Usd
    debt: Usd
    pools: Mapping[Pool, Usd]


class KeyLimits(msgspec.Struct, frozen=True):
    """What a key may spend: in all, a UTC day, a UTC month. None is no limit."""

    quota: Usd | None = None
    daily: Usd | None = None
    monthly: Usd | None = None


class Clawback(msgspec.Struct, frozen=True):
    """A lot's credit to be taken back, to an address such as `clearing/stripe/usd`."""

    entry_id: UUID
    account_id: UUID
    lot_id: UUID
    amount: Usd
    at: datetime
    destination: str
    reason: str = ""
