"""OpenAI's chat completions, spoken by its clients and by most vendors."""

from collections.abc import Mapping

from tokenharbor.kernel.errors import Refusal
from tokenharbor.wire.cost import add_cost
from tokenharbor.wire.dialect import Answer
from tokenharbor.wire.failure import Failure
from tokenharbor.wire.openai_chat import failures, request
from tokenharbor.wire.openai_chat.answer import read_answer
from tokenharbor.wire.openai_chat.splice import OpenAISplicer
from tokenharbor.wire.request import Edit, Request


class OpenAIChat:
    """The dialect `openai_chat`."""

    name = request.NAME
    path = "/chat/completions"

    def read_request(self, body: bytes, path_model: str | None = None) -> Request:  # noqa: ARG002  in the body here
        return request.read(body)

    def write_request(self, request_: Request, edit: Edit) -> bytes:
        return request.write(request_, edit)

    def read_answer(self, body: bytes) -> Answer | Failure:
        return read_answer(body)

    def price_answer(self, body: bytes, cost_usd: str) -> bytes:
        return add_cost(body, cost_usd) or body

    def splice(self, request_: Request, *, hide_usage: bool) -> OpenAISplicer:
        return OpenAISplicer(request_.choices, hide_usage=hide_usage)

    def read_failure(self, status: int, headers: Mapping[bytes, bytes], body: bytes) -> Failure:
        return failures.read_failure(status, headers, body)

    def write_refusal(self, refusal: Refusal, request_id: str) -> bytes:  # noqa: ARG002  a header carries it
        return failures.write_refusal(refusal)

    def write_stream_refusal(self, refusal: Refusal, request_id: str) -> bytes:  # noqa: ARG002  likewise
        return failures.write_stream_refusal(refusal)
