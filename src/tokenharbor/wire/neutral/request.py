"""What the gateway knows of a request, whatever its dialect; the body itself stays bytes."""

from typing import Annotated, Literal

import msgspec

from tokenharbor.wire.framing.json_values import NULL
from tokenharbor.wire.neutral.chat import Chat, VendorOptions

Name = Annotated[str, msgspec.Meta(max_length=128)]
Names = Annotated[tuple[Name, ...], msgspec.Meta(max_length=64)]


class ProviderRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The caller's `provider` extension. `only`, `ignore`, `region`, `retention` and `max_price` are hard
    boundaries; `order` and `sort` are preferences. `max_price`: USD per 1M tokens as decimal strings.
    """

    only: Names = ()
    ignore: Names = ()
    order: Names = ()
    region: Name | None = None
    max_price: msgspec.Raw = NULL  # as it was written: see `wire.neutral.extensions.read_max_price`
    retention: Name | None = None
    sort: Literal["price", "latency"] | None = None
    require_parameters: bool | None = None  # what a provider would leave out is an error


class MaxPrice(msgspec.Struct, frozen=True):
    """USD per 1M tokens, decimal strings."""

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
    """How large the input is, for quotes: bytes of everything but inlined media, counts of media, and the
    bytes of what is inlined of files and audio, as base64 (0 where only an address or an id was sent). `text_tokens` is
    the most that the text can be.
    """

    text_bytes: int
    images: int = 0
    files: int = 0
    audios: int = 0
    media_bytes: int = 0
    text_tokens: int = 0


class MediaDemand(msgspec.Struct, frozen=True):
    """What a request on a surface other than chat asks for, as far as it has a price. `items` are inputs or documents;
    `tokens` those that came as numbers; `upload_bytes` is the most that a file can have.
    """

    surface: str
    items: int = 0
    tokens: int = 0
    images: int = 0
    characters: int = 0
    seconds: int = 0
    upload_bytes: int = 0
    size: str | None = None  # None: left to us
    quality: str | None = None


class Request(msgspec.Struct, frozen=True):
    """One request: the typed facts that routing and money need, and the caller's own bytes.

    `members` are the top-level members of the body in order, unread, so that an edit touches nothing else. Filled by
    place where it is made most often: a new field stands at the end.
    """

    dialect: str
    body: bytes
    members: dict[str, msgspec.Raw]
    model: str
    stream: bool = False
    max_output: int | None = None  # the caller's own maximum, None if none was set
    max_unsure: bool = False  # it stands in a field that not every vendor of the dialect obeys
    thinking_budget: int = 0  # tokens of reasoning that the caller allows
    choices: int = 1
    wants_usage: bool = False  # the caller itself asked for the stream's usage chunk
    size: InputSize = InputSize(0)
    cache_writes: bool = False  # the input may be written to the vendor's cache (dearer)
    cache_writes_1h: bool = False  # likewise, and for an hour (dearer still)
    web_search_uses: int = 0  # the most that a vendor-side search tool may be used
    rules: ProviderRules | None = None
    cache: CacheRules | None = None
    include_cost: bool = False
    extended: bool = False  # our own fields stand in the body, and must not reach the vendor
    demand: MediaDemand | None = None  # set on every surface but chat


class StatedEffort(msgspec.Struct, frozen=True):
    """How much to reason, which the caller left open: the chat that asks for it, and what its vendor takes."""

    chat: Chat
    order: VendorOptions


class Edit(msgspec.Struct, frozen=True):
    """What is changed on the way to the vendor: top-level members only."""

    model: str
    max_output: int | None = None  # set only when the gateway caps
    ask_usage: bool = False  # add stream_options.include_usage
    max_field: str | None = None  # the one for the maximum that the provider obeys, where a dialect has two
    variant: tuple[tuple[str, str], ...] = ()  # fields that a price depends on and the caller left open
    effort: StatedEffort | None = None  # of reasoning, where the caller said nothing of it
