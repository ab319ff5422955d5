"""Floor 2: the dialects. Clients speak the DIALECTS, providers the PROVIDER_DIALECTS."""

from collections.abc import Mapping

from tokenharbor.wire.dialects.anthropic_messages import AnthropicMessages
from tokenharbor.wire.dialects.bedrock_converse import BedrockConverse
from tokenharbor.wire.dialects.gemini import Gemini
from tokenharbor.wire.dialects.openai_chat import OpenAIChat
from tokenharbor.wire.dialects.openai_responses import OpenAIResponses
from tokenharbor.wire.neutral.dialect import Dialect, ProviderDialect

DIALECTS: Mapping[str, Dialect] = {
    dialect.name: dialect for dialect in (OpenAIChat(), OpenAIResponses(), AnthropicMessages(), Gemini())
}
PROVIDER_DIALECTS: Mapping[str, ProviderDialect] = {**DIALECTS, BedrockConverse.name: BedrockConverse()}

DEFAULT_DIALECT: Dialect = DIALECTS[OpenAIChat.name]
"""The dialect of errors at paths that belong to no dialect."""
