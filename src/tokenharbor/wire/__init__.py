"""Floor 2: the dialects. WIRES is the one table of them."""

from collections.abc import Mapping

from tokenharbor.wire.anthropic_messages import AnthropicMessages
from tokenharbor.wire.dialect import Dialect
from tokenharbor.wire.openai_chat import OpenAIChat

WIRES: Mapping[str, Dialect] = {dialect.name: dialect for dialect in (OpenAIChat(), AnthropicMessages())}
