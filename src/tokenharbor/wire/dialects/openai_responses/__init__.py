"""OpenAI's Responses API, spoken by Codex and similar agents; without stored conversations."""

from tokenharbor.wire.dialects.openai_chat.failures import read_failure, write_refusal
from tokenharbor.wire.dialects.openai_chat.models import write_model, write_models
from tokenharbor.wire.dialects.openai_responses import failures, requests
from tokenharbor.wire.dialects.openai_responses.answer import measure, read_answer
from tokenharbor.wire.dialects.openai_responses.answer_schema import DIALECT
from tokenharbor.wire.dialects.openai_responses.caching import ResponsesCaching
from tokenharbor.wire.dialects.openai_responses.counts import write_count
from tokenharbor.wire.dialects.openai_responses.read_chat import read_chat
from tokenharbor.wire.dialects.openai_responses.reader import ResponsesReader, read_reply
from tokenharbor.wire.dialects.openai_responses.splice import ResponsesSplicer
from tokenharbor.wire.dialects.openai_responses.write_chat import (
    SUPPORTED_FEATURES,
    supported_advice,
    supported_stops,
    write_chat,
)
from tokenharbor.wire.dialects.openai_responses.writer import ResponsesWriter, write_reply
from tokenharbor.wire.framing.cost import price_answer
from tokenharbor.wire.neutral.chat import Feature
from tokenharbor.wire.neutral.dialect import AnswerPath, ClientPath, CountPath
from tokenharbor.wire.neutral.request import Request


class OpenAIResponses:
    """The dialect `openai_responses`."""

    name = DIALECT
    label = "OpenAI"
    paths: tuple[ClientPath, ...] = (
        AnswerPath("/v1/responses"),
        CountPath("/v1/responses/input_tokens", requests.read, write_count),
    )
    key_header: bytes | None = None
    forwarded_headers: frozenset[bytes] = frozenset()
    withheld_values: tuple[bytes, ...] = ()
    supported_features: frozenset[Feature] = SUPPORTED_FEATURES
    supported_advice = staticmethod(supported_advice)
    supported_stops = staticmethod(supported_stops)
    read_chat = staticmethod(read_chat)
    write_chat = staticmethod(write_chat)
    measure = staticmethod(measure)
    read_reply = staticmethod(read_reply)
    write_models = staticmethod(write_models)
    write_model = staticmethod(write_model)
    write_reply = staticmethod(write_reply)
    price_answer = staticmethod(price_answer)
    read_request = staticmethod(requests.read)
    write_request = staticmethod(requests.write)
    read_answer = staticmethod(read_answer)
    read_failure = staticmethod(read_failure)
    status_of = staticmethod(failures.status_of)
    write_refusal = staticmethod(write_refusal)
    write_stream_refusal = staticmethod(failures.write_stream_refusal)
    caching = ResponsesCaching()
    reader = ResponsesReader
    writer = ResponsesWriter

    def path(self, model: str, *, stream: bool) -> str:  # noqa: ARG002  both are in the body
        return "/responses"

    def splice(self, request: Request, *, hide_usage: bool) -> ResponsesSplicer:  # noqa: ARG002  usage is always reported
        return ResponsesSplicer(len(request.body))
