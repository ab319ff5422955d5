"""The strict shapes of Anthropic's requests: every member must be known before it is translated."""

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from tokenharbor.wire.framing.json_values import NULL
from tokenharbor.wire.neutral.strict_read import CacheControl, StrictShape


class AnthropicSource(StrictShape, frozen=True):
    """The location of an image or a document, or the text of a text document."""

    type: str
    media_type: str = ""
    data: str = ""
    url: str = ""
    file_id: str | None = None
    content: msgspec.Raw = NULL


class CitationsConfig(StrictShape, frozen=True):
    """Whether to cite a document."""

    enabled: bool = False


class TextBlock(StrictShape, frozen=True, tag_field="type", tag="text"):
    """Text; `citations` as answers have them."""

    text: str
    cache_control: CacheControl | None = None
    citations: list[msgspec.Raw] | None = None


class ImageBlock(StrictShape, frozen=True, tag_field="type", tag="image"):
    """An image."""

    source: AnthropicSource
    cache_control: CacheControl | None = None


class DocumentBlock(StrictShape, frozen=True, tag_field="type", tag="document"):
    """A document."""

    source: AnthropicSource
    title: str | None = None
    context: str | None = None
    citations: CitationsConfig | None = None
    cache_control: CacheControl | None = None


class SearchResultBlock(StrictShape, frozen=True, tag_field="type", tag="search_result"):
    """A result of the caller's own search."""

    source: str
    title: str
    content: list[TextBlock]
    citations: CitationsConfig | None = None
    cache_control: CacheControl | None = None


class ThinkingBlock(StrictShape, frozen=True, tag_field="type", tag="thinking"):
    """Thinking with its author's signature."""

    thinking: str
    signature: str = ""
    cache_control: CacheControl | None = None


class RedactedThinkingBlock(StrictShape, frozen=True, tag_field="type", tag="redacted_thinking"):
    """Thinking that only the vendor can read."""

    data: str


class ToolUseBlock(StrictShape, frozen=True, tag_field="type", tag="tool_use"):
    """A call; its arguments stay unread."""

    id: str
    name: str
    input: msgspec.Raw = msgspec.Raw(b"{}")
    cache_control: CacheControl | None = None
    caller: msgspec.Raw = NULL
    toolset_name: str | None = None


class ToolReferenceBlock(StrictShape, frozen=True, tag_field="type", tag="tool_reference"):
    """A tool found by the caller's own tool search: the model knows it from here on."""

    tool_name: str
    cache_control: CacheControl | None = None


class ToolReference(StrictShape, frozen=True):
    """A tool's name."""

    type: str
    name: str = ""
    tool_name: str = ""


class ToolAdditionBlock(StrictShape, frozen=True, tag_field="type", tag="tool_addition"):
    """A tool that may be called from here on."""

    tool: ToolReference
    cache_control: CacheControl | None = None


class ToolRemovalBlock(StrictShape, frozen=True, tag_field="type", tag="tool_removal"):
    """A tool that may not be called any more."""

    tool: ToolReference
    cache_control: CacheControl | None = None


class ToolResultBlock(StrictShape, frozen=True, tag_field="type", tag="tool_result"):
    """A tool's result."""

    tool_use_id: str
    content: "str | list[TextBlock | ImageBlock | DocumentBlock | SearchResultBlock | ToolReferenceBlock] | None" = None
    is_error: bool | None = None
    cache_control: CacheControl | None = None
    toolset_name: str | None = None


ToolResultContent = TextBlock | ImageBlock | DocumentBlock | SearchResultBlock | ToolReferenceBlock
ToolChangeBlock = ToolAdditionBlock | ToolRemovalBlock
RequestBlock = (
    TextBlock
    | ImageBlock
    | DocumentBlock
    | SearchResultBlock
    | ToolReferenceBlock
    | ToolAdditionBlock
    | ToolRemovalBlock
    | ThinkingBlock
    | RedactedThinkingBlock
    | ToolUseBlock
    | ToolResultBlock
)


class AnthropicMessage(StrictShape, frozen=True):
    """A message; its blocks are decoded one by one."""

    INNER: ClassVar[Mapping[str, object]] = {"content": list[RequestBlock]}
    role: str
    content: str | list[msgspec.Raw]
    clear_at: str | None = None
    output_config: msgspec.Raw = NULL


class BlockType(msgspec.Struct, frozen=True):
    """The type of a block or a tool."""

    type: str | None = None
    name: str | None = None


class AnthropicTool(StrictShape, frozen=True):
    """A tool that the caller defines; the last four members belong to the vendor's search, see `WebSearchTool`."""

    name: str
    type: str | None = None
    description: str | None = None
    input_schema: msgspec.Raw = NULL
    strict: bool | None = None
    cache_control: CacheControl | None = None
    eager_input_streaming: bool | None = None
    defer_loading: bool | None = None
    allowed_callers: list[str] | None = None
    input_examples: msgspec.Raw = NULL
    max_uses: msgspec.Raw = NULL
    allowed_domains: msgspec.Raw = NULL
    blocked_domains: msgspec.Raw = NULL
    user_location: msgspec.Raw = NULL


class WebSearchTool(msgspec.Struct, frozen=True):
    """The vendor's web search."""

    max_uses: int
    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None


class AnthropicToolChoice(StrictShape, frozen=True):
    """`tool_choice`."""

    type: str
    name: str = ""
    disable_parallel_tool_use: bool | None = None


class AnthropicThinking(StrictShape, frozen=True):
    """`thinking`."""

    type: str
    budget_tokens: int | None = None
    display: str | None = None
    block_binding: msgspec.Raw = NULL


class OutputFormat(StrictShape, frozen=True):
    """The required form of the answer."""

    type: str
    schema: msgspec.Raw = NULL
    name: str | None = None


class OutputConfig(StrictShape, frozen=True):
    """`output_config`."""

    effort: str | None = None
    format: OutputFormat | None = None


decode_messages = msgspec.json.Decoder(list[AnthropicMessage]).decode
decode_block = msgspec.json.Decoder(RequestBlock).decode
decode_kind = msgspec.json.Decoder(BlockType).decode
