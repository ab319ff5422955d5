"""Floor 2: the dialects. WIRES is the table of those that clients speak here, VENDORS of those that providers speak."""

from collections.abc import Mapping

from tokenharbor.wire.anthropic_messages import AnthropicMessages
from tokenharbor.wire.bedrock_converse import BedrockConverse
from tokenharbor.wire.dialect import Dialect, Vendor
from tokenharbor.wire.gemini import Gemini
from tokenharbor.wire.openai_chat import OpenAIChat
from tokenharbor.wire.openai_responses import OpenAIResponses

WIRES: Mapping[str, Dialect] = {
    dialect.name: dialect for dialect in (OpenAIChat(), OpenAIResponses(), AnthropicMessages(), Gemini())
}
VENDORS: Mapping[str, Vendor] = {**WIRES, BedrockConverse.name: BedrockConverse()}
