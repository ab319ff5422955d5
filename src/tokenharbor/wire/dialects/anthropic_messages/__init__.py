"""Anthropic's Messages API, for its clients, its agents and the vendors that speak it."""

from tokenharbor.wire.dialects.anthropic_messages import failures, read_chat, requests, write_chat
from tokenharbor.wire.dialects.anthropic_messages.answer import measure, read_answer
from tokenharbor.wire.dialects.anthropic_messages.caching import AnthropicCaching
from tokenharbor.wire.dialects.anthropic_messages.counts import read_count_request, write_count
from tokenharbor.wire.dialects.anthropic_messages.models import write_model, write_models
from tokenharbor.wire.dialects.anthropic_messages.reader import AnthropicReader, read_reply
from tokenharbor.wire.dialects.anthropic_messages.splice import AnthropicSplicer
from tokenharbor.wire.dialects.anthropic_messages.writer import AnthropicWriter, write_reply
from tokenharbor.wire.framing.cost import price_answer
from tokenharbor.wire.neutral.chat import Feature
from tokenharbor.wire.neutral.dialect import AnswerPath, ClientPath, CountPath, own_status
from tokenharbor.wire.neutral.request import Request


class AnthropicMessages:
    """The dialect `anthropic_messages`."""

    name = requests.NAME
    label = "Anthropic"
    paths: tuple[ClientPath, ...] = (
        AnswerPath("/v1/messages"),
        CountPath("/v1/messages/count_tokens", read_count_request, write_count),
    )
    key_header: bytes | None = None
    forwarded_headers = frozenset({b"anthropic-version", b"anthropic-beta"})
    withheld_values: tuple[bytes, ...] = (b"context-1m",)
    supported_features: frozenset[Feature] = write_chat.SUPPORTED_FEATURES
    supported_advice = staticmethod(write_chat.supported_advice)
    supported_stops = staticmethod(write_chat.supported_stops)
    read_chat = staticmethod(read_chat.read_chat)
    write_chat = staticmethod(write_chat.write_chat)
    measure = staticmethod(measure)
    read_reply = staticmethod(read_reply)
    write_models = staticmethod(write_models)
    write_model = staticmethod(write_model)
    write_reply = staticmethod(write_reply)
    price_answer = staticmethod(price_answer)
    read_request = staticmethod(requests.read)
    write_request = staticmethod(requests.write)
    read_answer = staticmethod(read_answer)
    read_failure = staticmethod(failures.read_failure)
    status_of = staticmethod(own_status)
    write_refusal = staticmethod(failures.write_refusal)
    write_stream_refusal = staticmethod(failures.write_stream_refusal)
    caching = AnthropicCaching()
    reader = AnthropicReader
    writer = AnthropicWriter

    def path(self, model: str, *, stream: bool) -> str:  # noqa: ARG002  both are in the body
        return "/messages"

    def splice(self, request: Request, *, hide_usage: bool) -> AnthropicSplicer:  # noqa: ARG002  usage is never only ours
        return AnthropicSplicer()
