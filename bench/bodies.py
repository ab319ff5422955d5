"""What is asked and answered in every row: an OpenAI chat completion of about 2 KiB, and one of about 100 KiB."""

import json

SMALL, LARGE = 2 << 10, 100 << 10
_WORDS = "The quay lay quiet, and the harbor master counted each crate twice before he signed. "
_PIECE = 2_000


def request_body(model: str, size: int, *, stream: bool = False) -> bytes:
    """A request of about `size` bytes, with a maximum of its own."""
    asked = {"role": "user", "content": ""}
    body = {
        "model": model,
        "messages": [{"role": "system", "content": "You are a careful clerk. Answer briefly."}, asked],
        "max_tokens": 256,
        "temperature": 0.2,
    }
    if stream:
        body["stream"] = True
    missing = size - len(_compact(body))
    asked["content"] = (_WORDS * (missing // len(_WORDS) + 1))[:missing]
    return _compact(body)


def _compact(body: object) -> bytes:
    """Without blanks, as the vendors' own clients write it."""
    return json.dumps(body, separators=(",", ":")).encode()


def nginx_answer(size: int) -> tuple[str, str]:
    """An answer of about `size` bytes in nginx's words: the repeated piece, and the whole in terms of it
    (a word of nginx's configuration has at most 4 KiB).
    """
    head = (
        '{"id":"chatcmpl-bench","object":"chat.completion","created":1763683200,"model":"bench-upstream","choices":'
        '[{"index":0,"message":{"role":"assistant","content":"'
    )
    tail = (
        '","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":412,'
        '"completion_tokens":256,"total_tokens":668,"prompt_tokens_details":{"cached_tokens":128},'
        '"completion_tokens_details":{"reasoning_tokens":0}},"system_fingerprint":"fp_bench"}'
    )
    text = (_WORDS * (_PIECE // len(_WORDS) + 1))[: min(_PIECE, size - len(head) - len(tail))]
    times = max(1, (size - len(head) - len(tail)) // len(text))
    return f"set $piece '{text}';", f"'{head}{'$piece' * times}{tail}'"
