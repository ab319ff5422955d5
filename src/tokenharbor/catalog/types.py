"""The catalogue's types: providers, models, endpoints, prices; all frozen."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tokenharbor.catalog.surfaces import CHAT


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts in seconds. Only `connect` and `total` apply to an answer that is not a stream."""

    connect: float = 5
    first_event: float = 300
    between_events: float = 120
    total: float = 900


@dataclass(frozen=True, slots=True)
class ProviderQuota:
    """A provider's quota for us: requests a minute, tokens a minute, requests open at once. None: not stated; 0:
    unlimited.
    """

    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class OutputLimit:
    """How a vendor limits the tokens of an answer.

    `max_field` is the body's member that it obeys; empty: it obeys none; None: not stated, and the wire has several.
    `reasoning_apart`: the limit excludes reasoning, which comes on top of it.
    """

    max_field: str | None = None
    reasoning_apart: bool = False


@dataclass(frozen=True, slots=True)
class Provider:
    """A company's API in one wire.

    `credential` is a reference (`env:NAME`, `file:PATH`, `store:`), never the secret itself. A company with two wires
    is two providers under one name, and its models have an endpoint in each: boundaries and bills use the company,
    routes the wire.
    """

    name: str
    wire: str
    base_url: str
    credential: str | None = None
    auth: str = "bearer"  # how the credential is sent: bearer | x-api-key | x-goog-api-key | sigv4 | none
    headers: tuple[tuple[str, str], ...] = ()  # sent with each request, such as a vendor's version header
    region: str | None = None
    retention: str | None = None  # none | days:N | training
    timeouts: Timeouts = Timeouts()
    quota: ProviderQuota = ProviderQuota()
    label: str = ""  # for people
    limit: OutputLimit = OutputLimit()
    least_output: int = 1  # the least maximum of output tokens that it accepts
    service: str | None = None  # the API's name in signatures, if requests are signed
    moved: bool = False  # the operator gave it another address or wire than the shipped one
    builtin: bool = False  # served by the program itself: its address is known only once it runs


EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)


@dataclass(frozen=True, slots=True)
class PriceHours:
    """Hours of some days, in UTC: minutes of the day, `start` included; past midnight if start > end.

    `days` count from Monday, 0; minutes past midnight belong to the later day.
    """

    start: int
    end: int
    days: tuple[int, ...] = EVERY_DAY


@dataclass(frozen=True, slots=True)
class PriceComponent:
    """One line of a price: whole pico-USD per unit, in force for inputs above `above_input` tokens.

    Some vendors announce a later price (`since`, UTC) or charge more at some hours. Of the lines in force, the latest
    `since` wins, then the one with hours, then the highest step.
    """

    unit: str
    pico: int
    above_input: int = 0
    since: datetime | None = None
    hours: PriceHours | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """A vendor's complete price. `version` is the SHA-256 of its canonical form (see price.py)."""

    components: tuple[PriceComponent, ...]
    version: bytes


@dataclass(frozen=True, slots=True)
class PriceVariant:
    """The price of one size and quality; None: any."""

    size: str | None
    quality: str | None
    price: Price


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model at a provider, the element of routes. `price` None: it cannot be sold. `variants` are separate prices by
    size or quality, and `price` is then the first one's. `free`: its price is 0 on purpose.
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
        """A unique name: a company with two wires has an endpoint in each."""
        return f"{self.provider.name}/{self.model}:{self.provider.wire}"

    def prices(self) -> tuple[tuple[str, Price], ...]:
        """Return each price under a unique name: one, or one for each size and quality."""
        if len(self.variants) > 1:
            return tuple((f"{self.name} {each.size} {each.quality}", each.price) for each in self.variants)
        return () if self.price is None else ((self.name, self.price),)


@dataclass(frozen=True, slots=True)
class Model:
    """A model on sale, under its canonical name."""

    name: str
    vendor: str  # the maker: `anthropic/claude-…` is also a name
    context: int  # tokens
    max_output: int  # tokens
    capabilities: frozenset[str]
    endpoints: tuple[Endpoint, ...]
    aliases: tuple[str, ...] = ()
    label: str = ""  # for people
    created: int = 0  # Unix seconds, for /v1/models
    retires: datetime | None = None  # its end, as the vendor or the operator announced it
    bytes_per_token: int | None = None  # of text, for quotes: at most a token per so many; None: by kind of character
    image_tokens: int = 5_000  # the most that one image can count for
    surfaces: tuple[str, ...] = (CHAT,)  # sorted
    bytes_per_second: int = 500  # of audio, for quotes: at most one second per this many bytes
    max_seconds: int = 86_400  # the longest audio that it accepts
    max_thinking: int | None = None  # the most reasoning tokens, if they have a separate limit
    tokenizer: str = "default"  # the family by which tokens are estimated (wire/count/families.toml)

    @property
    def free(self) -> bool:
        """Whether it costs nothing, at all of its endpoints."""
        return any(endpoint.free for endpoint in self.endpoints)


@dataclass(frozen=True, slots=True)
class ResolvedName:
    """A resolved name: the model, and the provider if the name pins one."""

    model: Model
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything on sale, by canonical name.

    `providers` are the companies in their main wire; `other_wires` are the same companies in their other wires.
    """

    models: Mapping[str, Model]
    providers: Mapping[str, Provider]
    other_wires: tuple[Provider, ...] = ()
