"""OpenAI's chat completions API, spoken by its clients and by most vendors."""

from tokenharbor.wire.dialects.openai_chat import failures, read_chat, requests, write_chat
from tokenharbor.wire.dialects.openai_chat.answer import measure, read_answer
from tokenharbor.wire.dialects.openai_chat.caching import OpenAICaching
from tokenharbor.wire.dialects.openai_chat.models import write_model, write_models
from tokenharbor.wire.dialects.openai_chat.reader import OpenAIReader, read_reply
from tokenharbor.wire.dialects.openai_chat.splice import OpenAISplicer
from tokenharbor.wire.dialects.openai_chat.writer import OpenAIWriter, write_reply
from tokenharbor.wire.framing.cost import price_answer
from tokenharbor.wire.neutral.chat import Feature
from tokenharbor.wire.neutral.dialect import AnswerPath, ClientPath, own_status
from tokenharbor.wire.neutral.request import Request


class OpenAIChat:
    """The dialect `openai_chat`."""

    name = requests.NAME
    label = "OpenAI"
    paths: tuple[ClientPath, ...] = (AnswerPath("/v1/chat/completions"),)
    key_header: bytes | None = None
    forwarded_headers: frozenset[bytes] = frozenset()
    withheld_values: tuple[bytes, ...] = ()
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
    caching = OpenAICaching()
    reader = OpenAIReader
    writer = OpenAIWriter

    def path(self, model: str, *, stream: bool) -> str:  # noqa: ARG002  both are in the body
        return "/chat/completions"

    def splice(self, request: Request, *, hide_usage: bool) -> OpenAISplicer:
        # The usage chunk carries the requested cost, so it cannot be hidden.
        return OpenAISplicer(request.choices, hide_usage=hide_usage and not request.include_cost)
