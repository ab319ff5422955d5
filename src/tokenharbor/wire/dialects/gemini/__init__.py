"""Google's Gemini API (generateContent), spoken by its clients and its vendor."""

from urllib.parse import quote

from tokenharbor.wire.dialects.gemini import failures, requests
from tokenharbor.wire.dialects.gemini.answer import measure, read_answer
from tokenharbor.wire.dialects.gemini.caching import GeminiCaching
from tokenharbor.wire.dialects.gemini.models import write_model, write_models
from tokenharbor.wire.dialects.gemini.paths import PATHS
from tokenharbor.wire.dialects.gemini.read_chat import read_chat
from tokenharbor.wire.dialects.gemini.reader import GeminiReader, read_reply
from tokenharbor.wire.dialects.gemini.splice import USAGE, GeminiSplicer
from tokenharbor.wire.dialects.gemini.write_chat import (
    SUPPORTED_FEATURES,
    supported_advice,
    supported_stops,
    write_chat,
)
from tokenharbor.wire.dialects.gemini.writer import GeminiWriter, write_reply
from tokenharbor.wire.framing.cost import add_cost
from tokenharbor.wire.neutral.dialect import ClientPath, own_status
from tokenharbor.wire.neutral.request import Request


class Gemini:
    """The dialect `gemini`. The path has the model and whether to stream."""

    name = requests.NAME
    label = "Gemini"
    paths: tuple[ClientPath, ...] = PATHS
    key_header: bytes | None = b"x-goog-api-key"
    forwarded_headers: frozenset[bytes] = frozenset()
    withheld_values: tuple[bytes, ...] = ()
    supported_features = SUPPORTED_FEATURES
    supported_advice = staticmethod(supported_advice)
    supported_stops = staticmethod(supported_stops)
    read_chat = staticmethod(read_chat)
    write_chat = staticmethod(write_chat)
    measure = staticmethod(measure)
    read_reply = staticmethod(read_reply)
    write_models = staticmethod(write_models)
    write_model = staticmethod(write_model)
    write_reply = staticmethod(write_reply)
    read_request = staticmethod(requests.read)
    write_request = staticmethod(requests.write)
    read_answer = staticmethod(read_answer)
    read_failure = staticmethod(failures.read_failure)
    status_of = staticmethod(own_status)
    write_refusal = staticmethod(failures.write_refusal)
    write_stream_refusal = staticmethod(failures.write_stream_refusal)
    caching = GeminiCaching()
    reader = GeminiReader
    writer = GeminiWriter

    def path(self, model: str, *, stream: bool) -> str:
        call = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"/models/{quote(model, safe='')}:{call}"

    def price_answer(self, body: bytes, cost_usd: str) -> bytes:
        return add_cost(body, cost_usd, USAGE) or body

    def splice(self, request: Request, *, hide_usage: bool) -> GeminiSplicer:  # noqa: ARG002  usage is never only ours
        return GeminiSplicer(request.choices)
