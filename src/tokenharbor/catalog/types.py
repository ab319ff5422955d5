"""What is sold and by whom: providers, models, endpoints, prices; all frozen."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. A non-stream obeys `connect` and `total` only."""

    connect: float = 5
    first_event: float = 300
    between_events: float = 120
    total: float = 900


@dataclass(frozen=True, slots=True)
class Provider:
    """A company's API as we reach it. `credential` is a reference (`env:NAME`, `file:PATH`, `store:`), never
    the secret itself.
    """

    name: str
    wire: str
    base_url: str
    credential: str | None = None
    auth: str = "bearer"  # how the credential is sent: bearer | x-api-key | none
    headers: tuple[tuple[str, str], ...] = ()  # sent with each request, such as a vendor's version header
    region: str | None = None
    retention: str | None = None  # none | days:N | training
    timeouts: Timeouts = Timeouts()
    label: str = ""  # for people


@dataclass(frozen=True, slots=True)
class Component:
    """One line of a price: whole pico-USD per unit, in force where the input is above `above_input` tokens."""

    unit: str
    pico: int
    above_input: int = 0


@dataclass(frozen=True, slots=True)
class Price:
    """A vendor's price, in full. `version` is the SHA-256 of its canonical form."""

    components: tuple[Component, ...]
    version: bytes


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model at a provider: what a route is made of. `price` None: it cannot be sold."""

    model: str
    provider: Provider
    upstream_model: str
    price: Price | None
    region: str | None = None

    @property
    def name(self) -> str:
        return f"{self.provider.name}/{self.model}"


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
    bytes_per_token: int = 3  # text: at most one token for so many bytes, for quotes
    image_tokens: int = 5_000  # the most that one image can count for


@dataclass(frozen=True, slots=True)
class Found:
    """A name resolved: the model, and the provider it pins if it does."""

    model: Model
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything on sale, by canonical name."""

    models: Mapping[str, Model]
    providers: Mapping[str, Provider]
