"""Google's Gemini API (generateContent), spoken by its clients and its vendor."""

from collections.abc import Mapping
from urllib.parse import quote

from tokenharbor.kernel.errors import Refusal
from tokenharbor.wire.dialects.gemini import failures, requests
from tokenharbor.wire.dialects.gemini.answer import measure, read_answer
from tokenharbor.wire.dialects.gemini.read_chat import read_chat
from tokenharbor.wire.dialects.gemini.reader import GeminiReader, read_reply
from tokenharbor.wire.dialects.gemini.splice import USAGE, GeminiSplicer
from tokenharbor.wire.dialects.gemini.write_chat import CARRIES, heeds, stops, write_chat
from tokenharbor.wire.dialects.gemini.writer import GeminiWriter, write_reply
from tokenharbor.wire.framing.cost import add_cost
from tokenharbor.wire.neutral.dialect import NO_CONTEXT, AnswerFacts, ModelInPath, ReplyContext
from tokenharbor.wire.neutral.failure import Failure
from tokenharbor.wire.neutral.request import Edit, Request


class Gemini:
    """The dialect `gemini`. The model, and whether the answer is a stream, stand in the path."""

    name = requests.NAME
    passes: frozenset[bytes] = frozenset()
    unsold: tuple[bytes, ...] = ()
    carries = CARRIES
    heeds = staticmethod(heeds)
    stops = staticmethod(stops)
    read_chat = staticmethod(read_chat)
    write_chat = staticmethod(write_chat)
    measure = staticmethod(measure)
    read_reply = staticmethod(read_reply)
    write_reply = staticmethod(write_reply)

    def path(self, model: str, *, stream: bool) -> str:
        call = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"/models/{quote(model, safe='')}:{call}"

    def read_request(self, body: bytes, place: ModelInPath | None = None) -> Request:
        return requests.read(body, place)

    def write_request(self, request: Request, edit: Edit) -> bytes:
        return requests.write(request, edit)

    def read_answer(self, body: bytes) -> AnswerFacts | Failure:
        return read_answer(body)

    def price_answer(self, body: bytes, cost_usd: str) -> bytes:
        return add_cost(body, cost_usd, USAGE) or body

    def splice(self, request: Request, *, hide_usage: bool) -> GeminiSplicer:  # noqa: ARG002  never only ours
        return GeminiSplicer(request.choices)

    def reader(self) -> GeminiReader:
        return GeminiReader()

    def writer(self, recipient: ReplyContext = NO_CONTEXT) -> GeminiWriter:
        return GeminiWriter(recipient)

    def read_failure(self, status: int, headers: Mapping[bytes, bytes], body: bytes) -> Failure:
        return failures.read_failure(status, headers, body)

    def status_of(self, refusal: Refusal) -> int:
        return refusal.status

    def write_refusal(self, refusal: Refusal, request_id: str) -> bytes:  # noqa: ARG002  a header carries it
        return failures.write_refusal(refusal)

    def write_stream_refusal(self, refusal: Refusal, request_id: str) -> bytes:  # noqa: ARG002  likewise
        return failures.write_stream_refusal(refusal)
