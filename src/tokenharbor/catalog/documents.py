"""The shape of a model's document, which `catalog/describe.py` writes."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from tokenharbor.kernel.documents import Document


class UnitPrices(Document, frozen=True, kw_only=True):
    """Decimal strings of USD: per 1M tokens or characters; per image, second, search, tool use, search unit. Units
    without a price are absent.
    """

    input: str | UnsetType = UNSET
    output: str | UnsetType = UNSET
    cache_read: str | UnsetType = UNSET
    cache_write: str | UnsetType = UNSET
    cache_write_1h: str | UnsetType = UNSET
    reasoning: str | UnsetType = UNSET
    audio_in: str | UnsetType = UNSET
    audio_out: str | UnsetType = UNSET
    image_in: str | UnsetType = UNSET
    character: str | UnsetType = UNSET
    image: str | UnsetType = UNSET
    second: str | UnsetType = UNSET
    search: str | UnsetType = UNSET
    tool_use: str | UnsetType = UNSET
    search_unit: str | UnsetType = UNSET


class PriceStep(UnitPrices, frozen=True, kw_only=True):
    """Prices for inputs above this number of tokens."""

    above_input: int


class ComingPrices(UnitPrices, frozen=True, kw_only=True):
    """Prices from a later time on."""

    since: str = msgspec.field(name="from")
    steps: Sequence[PriceStep] | UnsetType = UNSET


class VariantPrices(UnitPrices, frozen=True, kw_only=True):
    """Prices of an image or a video by size and quality."""

    size: str | None
    quality: str | None
    coming: Sequence[ComingPrices] | UnsetType = UNSET


class ModelPricing(UnitPrices, frozen=True, kw_only=True):
    """The caller's current prices, without the service fee, which is stated in basis points. `prompt` and `completion`
    are the input and output prices per token.
    """

    currency: str
    prompt: str
    completion: str
    service_fee_bp: int
    steps: Sequence[PriceStep] | UnsetType = UNSET
    coming: Sequence[ComingPrices] | UnsetType = UNSET
    variants: Sequence[VariantPrices] | UnsetType = UNSET


class ModelProvider(Document, frozen=True):
    """A provider that sells a model. `retention` is None if unknown."""

    name: str
    display_name: str
    region: str | None
    retention: str | None
    wires: Sequence[str]
    pricing: ModelPricing | None


class ModelDocument(Document, frozen=True):
    """A model on sale: `pricing` is that of its cheapest provider, `retention` the longest of all its providers."""

    id: str
    object: str
    type: str
    created: int
    created_at: datetime
    owned_by: str
    display_name: str
    lifecycle: str
    expiration_date: str | None
    context_length: int | None
    max_input_tokens: int | None
    max_tokens: int | None
    max_output_tokens: int | None
    capabilities: Sequence[str]
    surfaces: Sequence[str]
    free: bool
    aliases: Sequence[str]
    pricing: ModelPricing | None
    providers: Sequence[ModelProvider]
    retention: str | None
