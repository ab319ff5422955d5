"""Anthropic's messages, spoken by its clients, its agents and the vendors that serve them."""

from collections.abc import Mapping

from tokenharbor.kernel.errors import Refusal
from tokenharbor.wire.dialects.anthropic_messages import failures, read_chat, requests, write_chat
from tokenharbor.wire.dialects.anthropic_messages.answer import measure, read_answer
from tokenharbor.wire.dialects.anthropic_messages.reader import AnthropicReader, read_reply
from tokenharbor.wire.dialects.anthropic_messages.splice import AnthropicSplicer
from tokenharbor.wire.dialects.anthropic_messages.writer import AnthropicWriter, write_reply
from tokenharbor.wire.framing.cost import add_cost
from tokenharbor.wire.neutral.chat import Feature
from tokenharbor.wire.neutral.dialect import NO_CONTEXT, AnswerFacts, ModelInPath, ReplyContext
from tokenharbor.wire.neutral.failure import Failure
from tokenharbor.wire.neutral.request import Edit, Request


class AnthropicMessages:
    """The dialect `anthropic_messages`."""

    name = requests.NAME
    passes = frozenset({b"anthropic-version", b"anthropic-beta"})
    unsold: tuple[bytes, ...] = (b"context-1m",)
    carries: frozenset[Feature] = write_chat.CARRIES
    heeds = staticmethod(write_chat.heeds)
    stops = staticmethod(write_chat.stops)
    read_chat = staticmethod(read_chat.read_chat)
    write_chat = staticmethod(write_chat.write_chat)
    measure = staticmethod(measure)
    read_reply = staticmethod(read_reply)
    write_reply = staticmethod(write_reply)

    def path(self, model: str, *, stream: bool) -> str:  # noqa: ARG002  both stand in the body
        return "/messages"

    def read_request(self, body: bytes, place: ModelInPath | None = None) -> Request:  # noqa: ARG002  all of it is in the body
        return requests.read(body)

    def write_request(self, request: Request, edit: Edit) -> bytes:
        return requests.write(request, edit)

    def read_answer(self, body: bytes) -> AnswerFacts | Failure:
        return read_answer(body)

    def price_answer(self, body: bytes, cost_usd: str) -> bytes:
        return add_cost(body, cost_usd) or body

    def splice(self, request: Request, *, hide_usage: bool) -> AnthropicSplicer:  # noqa: ARG002  never only ours
        return AnthropicSplicer()

    def reader(self) -> AnthropicReader:
        return AnthropicReader()

    def writer(self, recipient: ReplyContext = NO_CONTEXT) -> AnthropicWriter:
        return AnthropicWriter(recipient)

    def read_failure(self, status: int, headers: Mapping[bytes, bytes], body: bytes) -> Failure:
        return failures.read_failure(status, headers, body)

    def status_of(self, refusal: Refusal) -> int:
        return refusal.status

    def write_refusal(self, refusal: Refusal, request_id: str) -> bytes:
        return failures.write_refusal(refusal, request_id)

    def write_stream_refusal(self, refusal: Refusal, request_id: str) -> bytes:
        return failures.write_stream_refusal(refusal, request_id)
