"""OpenAI's chat completions, spoken by its clients and by most vendors."""

from collections.abc import Mapping

from tokenharbor.kernel.errors import Refusal
from tokenharbor.wire.dialects.openai_chat import failures, read_chat, requests, write_chat
from tokenharbor.wire.dialects.openai_chat.answer import measure, read_answer
from tokenharbor.wire.dialects.openai_chat.reader import OpenAIReader, read_reply
from tokenharbor.wire.dialects.openai_chat.splice import OpenAISplicer
from tokenharbor.wire.dialects.openai_chat.writer import OpenAIWriter, write_reply
from tokenharbor.wire.framing.cost import add_cost
from tokenharbor.wire.neutral.chat import Feature
from tokenharbor.wire.neutral.dialect import NO_CONTEXT, AnswerFacts, ModelInPath, ReplyContext
from tokenharbor.wire.neutral.failure import Failure
from tokenharbor.wire.neutral.request import Edit, Request


class OpenAIChat:
    """The dialect `openai_chat`."""

    name = requests.NAME
    passes: frozenset[bytes] = frozenset()
    unsold: tuple[bytes, ...] = ()
    carries: frozenset[Feature] = write_chat.CARRIES
    heeds = staticmethod(write_chat.heeds)
    stops = staticmethod(write_chat.stops)
    read_chat = staticmethod(read_chat.read_chat)
    write_chat = staticmethod(write_chat.write_chat)
    measure = staticmethod(measure)
    read_reply = staticmethod(read_reply)
    write_reply = staticmethod(write_reply)

    def path(self, model: str, *, stream: bool) -> str:  # noqa: ARG002  both stand in the body
        return "/chat/completions"

    def read_request(self, body: bytes, place: ModelInPath | None = None) -> Request:  # noqa: ARG002  all of it is in the body
        return requests.read(body)

    def write_request(self, request: Request, edit: Edit) -> bytes:
        return requests.write(request, edit)

    def read_answer(self, body: bytes) -> AnswerFacts | Failure:
        return read_answer(body)

    def price_answer(self, body: bytes, cost_usd: str) -> bytes:
        return add_cost(body, cost_usd) or body

    def splice(self, request: Request, *, hide_usage: bool) -> OpenAISplicer:
        # The cost that a caller asked for stands in the usage chunk: it cannot be hidden then.
        return OpenAISplicer(request.choices, hide_usage=hide_usage and not request.include_cost)

    def reader(self) -> OpenAIReader:
        return OpenAIReader()

    def writer(self, recipient: ReplyContext = NO_CONTEXT) -> OpenAIWriter:
        return OpenAIWriter(recipient)

    def read_failure(self, status: int, headers: Mapping[bytes, bytes], body: bytes) -> Failure:
        return failures.read_failure(status, headers, body)

    def status_of(self, refusal: Refusal) -> int:
        return refusal.status

    def write_refusal(self, refusal: Refusal, request_id: str) -> bytes:  # noqa: ARG002  a header carries it
        return failures.write_refusal(refusal)

    def write_stream_refusal(self, refusal: Refusal, request_id: str) -> bytes:  # noqa: ARG002  likewise
        return failures.write_stream_refusal(refusal)
