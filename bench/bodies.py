"""What is asked and answered in every row: an OpenAI chat completion of about 2 KiB, and one of about 100 KiB; where
rows translate, the same in other dialects.
"""

import json

Json = dict[str, object]

SMALL, LARGE = 2 << 10, 100 << 10
_WORDS = "The quay lay quiet, and the harbor master counted each crate twice before he signed. "
_PIECE = 2_000
_SYSTEM = "You are a careful clerk. Answer briefly."
_MOST, _TEMPERATURE = 256, 0.2


def request_body(model: str, size: int, *, stream: bool = False) -> bytes:
    """A request of about `size` bytes, with a maximum of its own."""
    asked = {"role": "user", "content": ""}
    body: Json = {
        "model": model,
        "messages": [{"role": "system", "content": _SYSTEM}, asked],
        "max_tokens": _MOST,
        "temperature": _TEMPERATURE,
    }
    return _filled(body, asked, "content", size, stream=stream)


def messages_body(model: str, size: int, *, stream: bool = False) -> bytes:
    """The same request as Anthropic's clients say it."""
    asked = {"role": "user", "content": ""}
    body: Json = {
        "model": model,
        "system": _SYSTEM,
        "messages": [asked],
        "max_tokens": _MOST,
        "temperature": _TEMPERATURE,
    }
    return _filled(body, asked, "content", size, stream=stream)


def responses_body(model: str, size: int) -> bytes:
    asked = {"role": "user", "content": ""}
    body: Json = {
        "model": model,
        "instructions": _SYSTEM,
        "input": [asked],
        "max_output_tokens": _MOST,
        "temperature": _TEMPERATURE,
    }
    return _filled(body, asked, "content", size)


def gemini_body(size: int) -> bytes:
    """The path names the model."""
    asked = {"text": ""}
    body: Json = {
        "systemInstruction": {"parts": [{"text": _SYSTEM}]},
        "contents": [{"role": "user", "parts": [asked]}],
        "generationConfig": {"maxOutputTokens": _MOST, "temperature": _TEMPERATURE},
    }
    return _filled(body, asked, "text", size)


def _filled(body: Json, asked: dict[str, str], field: str, size: int, *, stream: bool = False) -> bytes:
    """The body with so many words asked that it has `size` bytes."""
    if stream:
        body["stream"] = True
    missing = size - len(_compact(body))
    asked[field] = (_WORDS * (missing // len(_WORDS) + 1))[:missing]
    return _compact(body)


def _compact(body: object) -> bytes:
    """Without blanks, as the vendors' own clients write it."""
    return json.dumps(body, separators=(",", ":")).encode()


def chat_answer() -> tuple[str, str]:
    """What stands before and behind the words of an answer."""
    head = (
        '{"id":"chatcmpl-bench","object":"chat.completion","created":1763683200,"model":"bench-upstream","choices":'
        '[{"index":0,"message":{"role":"assistant","content":"'
    )
    tail = (
        '","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":412,'
        '"completion_tokens":256,"total_tokens":668,"prompt_tokens_details":{"cached_tokens":128},'
        '"completion_tokens_details":{"reasoning_tokens":0}},"system_fingerprint":"fp_bench"}'
    )
    return head, tail


def messages_answer() -> tuple[str, str]:
    """Likewise, of a vendor of Anthropic's dialect."""
    head = (
        '{"model":"bench-upstream","id":"msg_bench","type":"message","role":"assistant","content":[{"type":"text",'
        '"text":"'
    )
    tail = (
        '"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":284,"cache_creation_input_tokens":0,'
        '"cache_read_input_tokens":128,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},'
        '"output_tokens":256,"service_tier":"standard"}}'
    )
    return head, tail


def nginx_answer(ends: tuple[str, str], size: int) -> tuple[str, str]:
    """An answer of about `size` bytes in nginx's words: the repeated piece, and the whole in terms of it
    (a word of nginx's configuration has at most 4 KiB).
    """
    head, tail = ends
    text = (_WORDS * (_PIECE // len(_WORDS) + 1))[: min(_PIECE, size - len(head) - len(tail))]
    times = max(1, (size - len(head) - len(tail)) // len(text))
    return f"set $piece '{text}';", f"'{head}{'$piece' * times}{tail}'"
