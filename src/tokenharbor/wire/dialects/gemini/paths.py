"""The paths of Gemini's clients: most have the model and the method, and all exist in two versions."""

from collections.abc import Iterator

from tokenharbor.wire.dialects.gemini.counts import read_count_request, write_count
from tokenharbor.wire.neutral.dialect import AnswerPath, ClientPath, CountPath, ModelListPath, ModelPath

METHODS = ("generateContent", "streamGenerateContent", "countTokens")

_OWN = "/v1beta"
_SHARED = "/v1"  # other dialects' clients also list models here


def _methods(version: str) -> Iterator[ClientPath]:
    answer, stream, count = (f"{version}/models/{{model}}:{method}" for method in METHODS)
    yield AnswerPath(answer)
    yield AnswerPath(stream, stream=True)
    yield CountPath(count, read_count_request, write_count)


PATHS: tuple[ClientPath, ...] = (
    *_methods(_OWN),
    *_methods(_SHARED),
    ModelListPath(f"{_OWN}/models"),
    ModelPath(f"{_OWN}/models/{{model}}"),
)
