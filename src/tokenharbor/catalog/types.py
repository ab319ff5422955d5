"""What is sold and by whom: providers, models, endpoints, prices; all frozen."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tokenharbor.catalog.surfaces import CHAT


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. A non-stream obeys `connect` and `total` only."""

    connect: float = 5
    first_event: float = 300
    between_events: float = 120
    total: float = 900


@dataclass(frozen=True, slots=True)
class ProviderQuota:
    """What a provider grants us: requests a minute, tokens a minute, requests open at once. None: not stated; 0:
    unlimited.
    """

    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class OutputLimit:
    """How a vendor limits the tokens of an answer.

    `max_field` is the body's member that it obeys; empty: it obeys none; None: not stated, and the wire has several.
    `reasoning_apart`: that limit does not hold for reasoning, which comes on top of it.
    """

    max_field: str | None = None
    reasoning_apart: bool = False


@dataclass(frozen=True, slots=True)
class Provider:
    """A company's API as we reach it, in one wire.

    `credential` is a reference (`env:NAME`, `file:PATH`, `store:`), never the secret itself. A company that
    speaks two wires is two of these under one name, and its models have an endpoint in each: boundaries and
    bills know the company, routes the wire.
    """

    name: str
    wire: str
    base_url: str
    credential: str | None = None
    auth: str = "bearer"  # how the credential is shown: bearer | x-api-key | x-goog-api-key | sigv4 | none
    headers: tuple[tuple[str, str], ...] = ()  # sent with each request, such as a vendor's version header
    region: str | None = None
    retention: str | None = None  # none | days:N | training
    timeouts: Timeouts = Timeouts()
    quota: ProviderQuota = ProviderQuota()
    label: str = ""  # for people
    limit: OutputLimit = OutputLimit()
    least_output: int = 1  # the least maximum of output tokens that it takes
    service: str | None = None  # what signatures call the API, where requests are signed
    moved: bool = False  # by the operator, to another address or wire than it ships with
    builtin: bool = False  # played by the program itself: its address is known only once it runs


EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)


@dataclass(frozen=True, slots=True)
class PriceHours:
    """Some hours of some days, in UTC: minutes of the day, `start` included; past midnight if start > end.

    `days` count from Monday, 0; what lies past midnight belongs to its own day.
    """

    start: int
    end: int
    days: tuple[int, ...] = EVERY_DAY


@dataclass(frozen=True, slots=True)
class PriceComponent:
    """One line of a price: whole pico-USD per unit, in force where the input is above `above_input` tokens.

    Some vendors announce a price for later (`since`, UTC) or sell dearer at some hours. Of the lines in force,
    the latest `since` wins, then the one with hours, then the highest step.
    """

    unit: str
    pico: int
    above_input: int = 0
    since: datetime | None = None
    hours: PriceHours | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """A vendor's price, in full. `version` is the SHA-256 of its canonical form (see price.py)."""

    components: tuple[PriceComponent, ...]
    version: bytes


@dataclass(frozen=True, slots=True)
class PriceVariant:
    """The price of one size and quality of what is made; None: of any."""

    size: str | None
    quality: str | None
    price: Price


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model at a provider: what a route is made of. `price` None: it cannot be sold. Where sizes or qualities have
    prices of their own, they are the `variants`, and `price` is the first one's. `free`: its price is 0 on purpose.
    """

    model: str
    provider: Provider
    upstream_model: str
    price: Price | None
    region: str | None = None
    variants: tuple[PriceVariant, ...] = ()
    limit: OutputLimit = OutputLimit()
    free: bool = False

    @property
    def name(self) -> str:
        """Unique: a company that speaks two wires sells a model at an endpoint in each."""
        return f"{self.provider.name}/{self.model}:{self.provider.wire}"

    def prices(self) -> tuple[tuple[str, Price], ...]:
        """Each of its prices under a name of its own: one, or one for each size and quality."""
        if len(self.variants) > 1:
            return tuple((f"{self.name} {each.size} {each.quality}", each.price) for each in self.variants)
        return () if self.price is None else ((self.name, self.price),)


@dataclass(frozen=True, slots=True)
class Model:
    """A model as it is sold, under its canonical name."""

    name: str
    vendor: str  # who made it: `anthropic/claude-…` names it too
    context: int  # tokens
    max_output: int  # tokens
    capabilities: frozenset[str]
    endpoints: tuple[Endpoint, ...]
    aliases: tuple[str, ...] = ()
    label: str = ""  # for people
    created: int = 0  # Unix seconds, for /v1/models
    retires: datetime | None = None  # when its vendor or the operator ends it, as announced
    bytes_per_token: int | None = None  # of text, for quotes: at most a token for so many; None: by kind of character
    image_tokens: int = 5_000  # the most that one image can count for
    surfaces: tuple[str, ...] = (CHAT,)  # what it can be asked for, sorted
    bytes_per_second: int = 500  # audio: at most a second for so many bytes, for quotes
    max_seconds: int = 86_400  # the longest audio that it takes
    max_thinking: int | None = None  # the most tokens of reasoning, where there is such a limit of their own
    tokenizer: str = "default"  # the family by which tokens are estimated (wire/count/families.toml)

    @property
    def free(self) -> bool:
        """Whether it costs nothing, at all of its endpoints."""
        return any(endpoint.free for endpoint in self.endpoints)


@dataclass(frozen=True, slots=True)
class ResolvedName:
    """A name resolved: the model, and the provider it pins if it does."""

    model: Model
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything on sale, by canonical name.

    `providers` are in the wire that each names first; `also` are the same companies in their other wires.
    """

    models: Mapping[str, Model]
    providers: Mapping[str, Provider]
    other_wires: tuple[Provider, ...] = ()
