"""The strict shapes of OpenAI's chat requests: every member must be known before it is translated."""

import msgspec

from tokenharbor.wire.framing.json_values import NULL
from tokenharbor.wire.neutral.strict_read import CacheControl, StrictShape


class ImageURL(StrictShape, frozen=True):
    """An image's URL."""

    url: str
    detail: str | None = None


class ChatInputAudio(StrictShape, frozen=True):
    """Audio in base64; `format` is its kind, such as wav."""

    data: str
    format: str


class ChatInputFile(StrictShape, frozen=True):
    """A file: inlined as a `data:` URL, or stored at the vendor."""

    file_data: str | None = None
    filename: str | None = None
    file_id: str | None = None


class TextPart(StrictShape, frozen=True, tag_field="type", tag="text"):
    """Text."""

    text: str
    cache_control: CacheControl | None = None
    prompt_cache_breakpoint: msgspec.Raw = NULL
    annotations: msgspec.Raw = NULL


class RefusalPart(StrictShape, frozen=True, tag_field="type", tag="refusal"):
    """The text of a refusal."""

    refusal: str


class ThinkingPart(StrictShape, frozen=True, tag_field="type", tag="thinking"):
    """Thinking among the content, as some vendors send it."""

    thinking: list[TextPart] | str
    closed: bool | None = None


class OutputTextPart(StrictShape, frozen=True, tag_field="type", tag="output_text"):
    """The assistant's text in the form of the Responses API."""

    text: str
    annotations: msgspec.Raw = NULL
    logprobs: msgspec.Raw = NULL


class ReasoningPart(StrictShape, frozen=True, tag_field="type", tag="reasoning"):
    """Reasoning among the content, as some clients send it back."""

    text: str | None = None


class ReasoningObject(StrictShape, frozen=True):
    """`reasoning` where a client sends it back as an object."""

    text: str | None = None


class ImagePart(StrictShape, frozen=True, tag_field="type", tag="image_url"):
    """An image; `index` is its place among those of an answer."""

    image_url: ImageURL | str
    index: int | None = None
    cache_control: CacheControl | None = None
    prompt_cache_breakpoint: msgspec.Raw = NULL


class AudioPart(StrictShape, frozen=True, tag_field="type", tag="input_audio"):
    """Audio."""

    input_audio: ChatInputAudio
    cache_control: CacheControl | None = None
    prompt_cache_breakpoint: msgspec.Raw = NULL


class FilePart(StrictShape, frozen=True, tag_field="type", tag="file"):
    """A document."""

    file: ChatInputFile
    cache_control: CacheControl | None = None
    prompt_cache_breakpoint: msgspec.Raw = NULL


class PastFunctionCall(StrictShape, frozen=True):
    """The function that was called, and its arguments' JSON."""

    name: str
    arguments: str = ""
    parsed_arguments: msgspec.Raw = NULL  # added by the SDK for its caller


class PastCustomCall(StrictShape, frozen=True):
    """The custom tool that was called, and its input."""

    name: str
    input: str = ""


class ProviderFields(StrictShape, frozen=True):
    """LiteLLM's container for fields that its own message lacks; it sends them back."""

    reasoning_details: list[msgspec.Raw] | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None


class PastToolCall(StrictShape, frozen=True):
    """A call that the assistant made."""

    id: str
    type: str | None = None
    function: PastFunctionCall | None = None
    custom: PastCustomCall | None = None
    index: int | None = None
    extra_content: msgspec.Raw = NULL


UserContentPart = TextPart | ImagePart | AudioPart | FilePart
AssistantContentPart = TextPart | RefusalPart | ThinkingPart | ImagePart | OutputTextPart | ReasoningPart
ToolContentPart = TextPart | ImagePart | FilePart


class SystemMessage(StrictShape, frozen=True, tag_field="role", tag="system"):
    """The system's message."""

    content: str | list[TextPart]
    name: str | None = None


class DeveloperMessage(StrictShape, frozen=True, tag_field="role", tag="developer"):
    """The system's message in the role of newer models."""

    content: str | list[TextPart]
    name: str | None = None


class UserMessage(StrictShape, frozen=True, tag_field="role", tag="user"):
    """The user's message."""

    content: str | list[UserContentPart]
    name: str | None = None


class AssistantMessage(StrictShape, frozen=True, tag_field="role", tag="assistant"):
    """An assistant's answer as clients send it back: with every member that answers have."""

    content: str | list[AssistantContentPart] | None = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: list[PastToolCall] | None = None
    function_call: PastFunctionCall | None = None
    reasoning_content: str | None = None
    reasoning: str | ReasoningObject | None = None
    reasoning_details: list[msgspec.Raw] | dict[str, msgspec.Raw] | None = None
    images: list[ImagePart] | None = None
    provider_specific_fields: ProviderFields | list[msgspec.Raw] | None = None
    annotations: msgspec.Raw = NULL
    audio: msgspec.Raw = NULL
    parsed: msgspec.Raw = NULL  # the content as parsed by the SDK
    prefix: bool | None = None
    partial: bool | None = None


class ToolMessage(StrictShape, frozen=True, tag_field="role", tag="tool"):
    """A tool's result."""

    tool_call_id: str
    content: str | list[ToolContentPart] | None = None
    name: str | None = None


class FunctionMessage(StrictShape, frozen=True, tag_field="role", tag="function"):
    """A function's result, in the older form without ids."""

    name: str
    content: str | None = None


RequestMessage = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage | FunctionMessage


class ReasoningEntry(msgspec.Struct, frozen=True):
    """An entry of `reasoning_details`: only the members that the gateway reads."""

    type: str | None = None
    id: str | None = None
    data: str | None = None


class FunctionTool(StrictShape, frozen=True):
    """A function's definition."""

    name: str
    description: str | None = None
    parameters: msgspec.Raw = NULL
    strict: bool | None = None


class CustomTool(StrictShape, frozen=True):
    """A custom tool's definition."""

    name: str
    description: str | None = None
    format: msgspec.Raw = NULL


class ChatTool(StrictShape, frozen=True):
    """An entry of `tools`."""

    type: str | None = None
    function: FunctionTool | None = None
    custom: CustomTool | None = None
    cache_control: CacheControl | None = None


class ToolName(StrictShape, frozen=True):
    """A tool's name."""

    name: str


class ChosenTool(StrictShape, frozen=True):
    """A tool that must or may be called."""

    type: str | None = None
    function: ToolName | None = None
    custom: ToolName | None = None
    name: str | None = None


class AllowedTools(StrictShape, frozen=True):
    """The tools that may be called."""

    mode: str
    tools: list[ChosenTool]


class ChatToolChoice(StrictShape, frozen=True):
    """`tool_choice` where it is an object."""

    type: str | None = None
    function: ToolName | None = None
    custom: ToolName | None = None
    allowed_tools: AllowedTools | None = None


class FormatSchema(StrictShape, frozen=True):
    """The JSON schema of a format."""

    name: str = ""
    description: str | None = None
    schema: msgspec.Raw = NULL
    strict: bool | None = None


class ResponseFormat(StrictShape, frozen=True):
    """`response_format`."""

    type: str
    json_schema: FormatSchema | None = None


class ChatReasoning(StrictShape, frozen=True):
    """`reasoning`, an extension of some vendors of this dialect."""

    effort: str | None = None
    max_tokens: int | None = None
    exclude: bool | None = None
    enabled: bool | None = None
    summary: str | None = None


class ChatThinking(StrictShape, frozen=True):
    """`thinking`, an extension of some vendors of this dialect."""

    type: str
    budget_tokens: int | None = None
    clear_thinking: bool | None = None


decode_messages = msgspec.json.Decoder(list[RequestMessage]).decode
decode_entry = msgspec.json.Decoder(ReasoningEntry).decode
decode_entries = msgspec.json.Decoder(list[msgspec.Raw]).decode
