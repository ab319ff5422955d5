"""A request as the gateway knows it in any dialect; the body itself stays bytes."""

from typing import Annotated, Literal

import msgspec

from tokenharbor.wire.framing.json_values import NULL
from tokenharbor.wire.neutral.chat import Chat, VendorOptions

Name = Annotated[str, msgspec.Meta(max_length=128)]
Names = Annotated[tuple[Name, ...], msgspec.Meta(max_length=64)]


class ProviderRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The caller's `provider` extension. `only`, `ignore`, `region`, `retention` and `max_price` are hard boundaries;
    `order` and `sort` are preferences. `max_price` is in USD per 1M tokens, as decimal strings.
    """

    only: Names = ()
    ignore: Names = ()
    order: Names = ()
    region: Name | None = None
    max_price: msgspec.Raw = NULL  # unread; `wire.neutral.extensions.read_max_price` reads it
    retention: Name | None = None
    sort: Literal["price", "latency"] | None = None
    require_parameters: bool | None = None  # fields that a provider would omit are an error


class MaxPrice(msgspec.Struct, frozen=True):
    """USD per 1M tokens, as decimal strings."""

    input: str | None = None
    output: str | None = None


class CacheRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The caller's `cache` extension."""

    exact: bool | None = None
    semantic: bool | None = None


class UsageRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The caller's `usage` extension: `include` adds `usage.cost` to the answer."""

    include: bool = False


class InputSize(msgspec.Struct, frozen=True):
    """The size of the input, for quotes: bytes of everything but inlined media, counts of media, and the base64 bytes
    of inlined files and audio (0 for those given by URL or id). `text_tokens` is an upper bound for the text.
    """

    text_bytes: int
    images: int = 0
    files: int = 0
    audios: int = 0
    media_bytes: int = 0
    text_tokens: int = 0


class MediaDemand(msgspec.Struct, frozen=True):
    """The priced units that a request on a surface other than chat asks for. `items` are inputs or documents; `tokens`
    are inputs given as numbers; `upload_bytes` is the largest possible file.
    """

    surface: str
    items: int = 0
    tokens: int = 0
    images: int = 0
    characters: int = 0
    seconds: int = 0
    upload_bytes: int = 0
    size: str | None = None  # None: left open
    quality: str | None = None


class Request(msgspec.Struct, frozen=True):
    """One request: the typed facts that routing and money need, and the caller's own bytes.

    `members` holds the body's top-level members in order, unread, so that an edit touches nothing else. The hot path
    passes the fields by position: add new ones at the end.
    """

    dialect: str
    body: bytes
    members: dict[str, msgspec.Raw]
    model: str
    stream: bool = False
    max_output: int | None = None  # the caller's own maximum, None if none was set
    max_unsure: bool = False  # the maximum is in a field that not every vendor of the dialect obeys
    thinking_budget: int = 0  # reasoning tokens that the caller allows
    choices: int = 1
    wants_usage: bool = False  # the caller asked for the stream's usage chunk
    size: InputSize = InputSize(0)
    cache_writes: bool = False  # the input may be written to the vendor's cache, at a higher price
    cache_writes_1h: bool = False  # likewise for an hour, at a still higher price
    web_search_uses: int = 0  # the most uses of a vendor-side search tool
    rules: ProviderRules | None = None
    cache: CacheRules | None = None
    include_cost: bool = False
    extended: bool = False  # the body has our own fields, which must not reach the vendor
    demand: MediaDemand | None = None  # set on every surface but chat


class StatedEffort(msgspec.Struct, frozen=True):
    """The reasoning effort to state where the caller left it open: the chat that asks for it, and
    the vendor's options.
    """

    chat: Chat
    options: VendorOptions


class Edit(msgspec.Struct, frozen=True):
    """The changes to a body on its way to the vendor: top-level members only."""

    model: str
    max_output: int | None = None  # set only if the gateway caps it
    ask_usage: bool = False  # add stream_options.include_usage
    max_field: str | None = None  # the field for the maximum that the provider obeys, in dialects with two
    variant: tuple[tuple[str, str], ...] = ()  # fields that the price depends on and the caller left open
    effort: StatedEffort | None = None  # set if the caller stated no reasoning effort
