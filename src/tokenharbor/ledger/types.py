"""The values that the books accept and return: holds, settlements, credits, balances; all frozen."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import cached_property

import msgspec

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.payer import Payer


class Pool(StrEnum):
    """The kind of a credit. It decides when the credit is spent."""

    PAID = "paid"
    TRIAL = "trial"
    MATCH = "match"
    LOCKED = "locked"
    PROMO = "promo"


class Restriction(StrEnum):
    """The state of a lot's credit that is not on the line and so cannot be spent."""

    LOCKED = "locked"  # a match that is not yet unlocked
    PAYOUT = "payout"  # set aside for a withdrawal, until the processor has answered


class Product(msgspec.Struct, frozen=True, dict=True):
    """A model at a provider, sold by an edition at one version of its price. Made once and shared by all requests
    for it. `provider` is empty if no provider served the request. With `metadata_expires`, entries name neither the
    provider nor the price version, so that the purge of a request's metadata removes both.
    """

    model: str
    provider: str
    edition: str
    region: str = ""
    price_version: bytes = b""
    metadata_expires: bool = False

    @cached_property
    def elements(self) -> tuple[str, str, str, str, str]:
        """Each field as an element of an array in PostgreSQL's text format."""
        texts = (self.model, self.provider, self.edition, self.region)
        model, provider, edition, region = [_quoted(text) for text in texts]
        return model, provider, edition, region, _quoted(f"\\x{self.price_version.hex()}")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Hold(msgspec.Struct, frozen=True):
    """A reservation of `amount` for a request, until it is settled or released. `tokens` bounds the request's input
    and output. `free_limit` is the account's limit of requests to free models in their window; 0 for a paid model.
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
    """A window's counts at the end of a batch, and the number of open requests."""

    requests: int
    tokens: int
    open: int
    ends_in_ms: int


class RateUse(msgspec.Struct, frozen=True, gc=False):
    """The windows of a payer: its key's and its account's."""

    key: WindowUse
    account: WindowUse


class PlacedHold(msgspec.Struct, frozen=True, gc=False):
    """A hold that was placed. Holds of one payer in a batch share `rates`; None if the payer has no rate limit."""

    amount: Usd
    rates: RateUse | None = None


class RefusedHold(msgspec.Struct, frozen=True):
    """A hold that was refused, with the wallet's state at that moment. `limit_left` is the rest of the quota or budget
    that refused it; if tokens per minute refused it, the least rest of all quotas and budgets. `tokens_left` is the
    number of tokens that the windows of key and account still allow; None means no limit. `retry_ms` is the time until
    a rate admits the request; 0 means that waiting does not help. `rates` is as in PlacedHold.
    """

    reason: HoldRefusal
    available: Usd
    held: Usd
    limit_left: Usd = ZERO
    tokens_left: int | None = None
    retry_ms: int = 0
    rates: RateUse | None = None


class RequestEnd(msgspec.Struct, frozen=True):
    """The end of a request, and its row in `request`. The entry keeps only the salted digest of `detail` (JSON text),
    so that the detail can be erased and the books still verify.
    """

    request_id: UUID
    payer: Payer
    product: Product
    status: str  # complete | hung_up | failed | refused
    detail: bytes
    salt: bytes
    at: datetime


class Settlement(RequestEnd, frozen=True):
    """A charge to be made: `cost` in total, `fee` of it the service fee. `vendor_cost` is what we owe the vendor.
    `bound` is the quote and the most that is charged. `tokens` counts the tokens used, input and output together.
    """

    cost: Usd
    fee: Usd
    vendor_cost: Usd
    bound: Usd
    tokens: int = 0


class Release(RequestEnd, frozen=True):
    """The end of a request that delivered nothing valid: its hold is given back. `loss` is what we owe the vendor
    all the same.
    """

    loss: Usd


class SettledCharge(msgspec.Struct, frozen=True):
    """The result of a settlement. `charge` is less than the cost only if the bound, the balance or the key's limits
    did not cover it; the rest is `overrun`. A repeated settlement returns the first one's result with `repeated` set.
    """

    charge: Usd
    fee: Usd
    overrun: Usd
    repeated: bool = False


class Credit(msgspec.Struct, frozen=True):
    """A lot to be granted. It pays debt first. A second credit with the same `reference` does nothing."""

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
    source: str | None = None  # the address that it comes from; None: the address that `origin` implies
    tax: Usd = ZERO  # the part of the payment that is owed as tax, from the same address


class Balance(msgspec.Struct, frozen=True):
    """An account's money. `available` excludes held and locked credit; `pools` is the rest in each, held included."""

    available: Usd
    held: Usd
    debt: Usd
    pools: Mapping[Pool, Usd]


class KeyLimits(msgspec.Struct, frozen=True):
    """A key's spending limits: in total, per UTC day, per UTC month. None means no limit."""

    quota: Usd | None = None
    daily: Usd | None = None
    monthly: Usd | None = None


class Clawback(msgspec.Struct, frozen=True):
    """Credit of a lot to be taken back, and moved to an address such as `clearing/stripe/usd`."""

    entry_id: UUID
    account_id: UUID
    lot_id: UUID
    amount: Usd
    at: datetime
    destination: str
    reason: str = ""
