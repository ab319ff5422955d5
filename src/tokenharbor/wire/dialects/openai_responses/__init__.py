"""OpenAI's Responses, spoken by Codex and its kin; without anything stored."""

from collections.abc import Mapping

from tokenharbor.kernel.errors import Refusal
from tokenharbor.wire.dialects.openai_chat.failures import read_failure, write_refusal
from tokenharbor.wire.dialects.openai_responses import failures, requests
from tokenharbor.wire.dialects.openai_responses.answer import measure, read_answer
from tokenharbor.wire.dialects.openai_responses.answer_schema import DIALECT
from tokenharbor.wire.dialects.openai_responses.read_chat import read_chat
from tokenharbor.wire.dialects.openai_responses.reader import ResponsesReader, read_reply
from tokenharbor.wire.dialects.openai_responses.splice import ResponsesSplicer
from tokenharbor.wire.dialects.openai_responses.write_chat import CARRIES, heeds, stops, write_chat
from tokenharbor.wire.dialects.openai_responses.writer import ResponsesWriter, write_reply
from tokenharbor.wire.framing.cost import add_cost
from tokenharbor.wire.neutral.chat import Feature
from tokenharbor.wire.neutral.dialect import NO_CONTEXT, AnswerFacts, ModelInPath, ReplyContext
from tokenharbor.wire.neutral.failure import Failure
from tokenharbor.wire.neutral.request import Edit, Request


class OpenAIResponses:
    """The dialect `openai_responses`."""

    name = DIALECT
    passes: frozenset[bytes] = frozenset()
    unsold: tuple[bytes, ...] = ()
    carries: frozenset[Feature] = CARRIES
    heeds = staticmethod(heeds)
    stops = staticmethod(stops)
    read_chat = staticmethod(read_chat)
    write_chat = staticmethod(write_chat)
    measure = staticmethod(measure)
    read_reply = staticmethod(read_reply)
    write_reply = staticmethod(write_reply)

    def path(self, model: str, *, stream: bool) -> str:  # noqa: ARG002  both stand in the body
        return "/responses"

    def read_request(self, body: bytes, place: ModelInPath | None = None) -> Request:  # noqa: ARG002  all of it is in the body
        return requests.read(body)

    def write_request(self, request: Request, edit: Edit) -> bytes:
        return requests.write(request, edit)

    def read_answer(self, body: bytes) -> AnswerFacts | Failure:
        return read_answer(body)

    def price_answer(self, body: bytes, cost_usd: str) -> bytes:
        return add_cost(body, cost_usd) or body

    def splice(self, request: Request, *, hide_usage: bool) -> ResponsesSplicer:  # noqa: ARG002  usage is always told
        return ResponsesSplicer(len(request.body))

    def reader(self) -> ResponsesReader:
        return ResponsesReader()

    def writer(self, recipient: ReplyContext = NO_CONTEXT) -> ResponsesWriter:
        return ResponsesWriter(recipient)

    def read_failure(self, status: int, headers: Mapping[bytes, bytes], body: bytes) -> Failure:
        return read_failure(status, headers, body)

    def status_of(self, refusal: Refusal) -> int:
        return failures.status_of(refusal)

    def write_refusal(self, refusal: Refusal, request_id: str) -> bytes:  # noqa: ARG002  a header carries it
        return write_refusal(refusal)

    def write_stream_refusal(self, refusal: Refusal, request_id: str) -> bytes:
        return failures.write_stream_refusal(refusal, request_id)
