"""Anthropic's messages, spoken by its clients, its agents and the vendors that serve them."""

from collections.abc import Mapping

from tokenharbor.kernel.errors import Refusal
from tokenharbor.wire.anthropic_messages import failures, request
from tokenharbor.wire.anthropic_messages.answer import read_answer
from tokenharbor.wire.anthropic_messages.splice import AnthropicSplicer
from tokenharbor.wire.cost import add_cost
from tokenharbor.wire.dialect import Answer
from tokenharbor.wire.failure import Failure
from tokenharbor.wire.request import Edit, Request


class AnthropicMessages:
    """The dialect `anthropic_messages`."""

    name = request.NAME
    path = "/messages"

    def read_request(self, body: bytes, path_model: str | None = None) -> Request:  # noqa: ARG002  in the body here
        return request.read(body)

    def write_request(self, request_: Request, edit: Edit) -> bytes:
        return request.write(request_, edit)

    def read_answer(self, body: bytes) -> Answer | Failure:
        return read_answer(body)

    def price_answer(self, body: bytes, cost_usd: str) -> bytes:
        return add_cost(body, cost_usd) or body

    def splice(self, request_: Request, *, hide_usage: bool) -> AnthropicSplicer:  # noqa: ARG002  never only ours
        return AnthropicSplicer()

    def read_failure(self, status: int, headers: Mapping[bytes, bytes], body: bytes) -> Failure:
        return failures.read_failure(status, headers, body)

    def write_refusal(self, refusal: Refusal, request_id: str) -> bytes:
        return failures.write_refusal(refusal, request_id)

    def write_stream_refusal(self, refusal: Refusal, request_id: str) -> bytes:
        return failures.write_stream_refusal(refusal, request_id)
