"""The canned model: a script's answer and a request make a reply, always the same one."""

import msgspec

from tokenharbor.kernel.usage import Usage
from tokenharbor.simulator.dialect import SimulatedReply, SimulatedRequest, SimulatedToolCall
from tokenharbor.simulator.draw import draw_between
from tokenharbor.simulator.script import Amount, CannedAnswer, CannedToolCall, CannedUsage

TOKEN_CHARS = 4
"""The characters in each of the canned model's tokens; the last one may have fewer."""

_FILLER = ("sea", "tug", "oar", "fog", "bay", "rig", "sky", "tar", "net", "cod", "ebb", "fin", "bow", "log", "sun")
_RESULT_CHARS = 200  # of a tool's result that the next answer repeats


class RequestSeed(msgspec.Struct, frozen=True):
    """The values that distinguish a request: the script's seed, its number from 1, the time."""

    seed: int
    request: int
    created: int  # Unix seconds

    def of(self, amount: Amount, name: str) -> int:
        if isinstance(amount, int):
            return amount
        return draw_between(self.seed, amount[0], amount[1], self.request, name)


def make_reply(answer: CannedAnswer, request: SimulatedRequest, number: RequestSeed, answer_id: str) -> SimulatedReply:
    """Return the canned model's reply."""
    calls = _calls(answer, request, answer_id)
    text = "" if calls else _text(answer, request, number)
    content = _capped(_ReplyContent(answer.reasoning, text, "" if calls else answer.refusal, calls), request.max_output)
    return SimulatedReply(
        id=answer_id,
        created=number.created,
        model=request.model,
        reasoning=content.reasoning,
        text=content.text,
        refusal=content.refusal,
        calls=content.calls,
        finish=answer.finish or _finish(answer, content),
        stop_sequence=answer.stop_sequence,
        usage=_usage(answer.usage, request, content, number),
        chunk_chars=answer.chunk_chars if answer.chunks is None else max(-(-len(content.text) // answer.chunks), 1),
        choices=request.choices,
        wants_usage=request.wants_usage,
        sealed=request.sealed,
        repeated=request.repeated,
    )


def tokens_in(text: str) -> int:
    return -(-len(text) // TOKEN_CHARS)


class _ReplyContent(msgspec.Struct, frozen=True):
    """The reply's content, before or after it is cut to the request's maximum."""

    reasoning: str
    text: str
    refusal: str
    calls: tuple[SimulatedToolCall, ...]
    cut_short: bool = False

    def output_tokens(self) -> int:
        return sum(tokens_in(text) for text in (self.text, self.refusal, *(call.arguments for call in self.calls)))


def _calls(answer: CannedAnswer, request: SimulatedRequest, answer_id: str) -> tuple[SimulatedToolCall, ...]:
    offered = {name.lower(): name for name in request.tools}
    due = [call for call in answer.calls if call.turn == request.tool_turns + 1 and _possible(call, offered)]
    return tuple(
        SimulatedToolCall(f"call_{answer_id}_{index}", offered.get(call.name.lower(), call.name), _json(call))
        for index, call in enumerate(due)
    )


def _possible(call: CannedToolCall, offered: dict[str, str]) -> bool:
    return call.always or call.name.lower() in offered


def _json(call: CannedToolCall) -> str:
    return msgspec.json.encode(call.arguments).decode()


def _text(answer: CannedAnswer, request: SimulatedRequest, number: RequestSeed) -> str:
    if answer.calls and request.tool_result is not None:
        return answer.after_tools.replace("{result}", request.tool_result.strip()[:_RESULT_CHARS])
    if answer.text is not None:
        return answer.text
    if answer.refusal:
        return ""
    count = max(number.of(answer.tokens, "tokens"), answer.chunks or 0)
    return filler_text(count)


def filler_text(tokens: int) -> str:
    """Return text of exactly `tokens` tokens."""
    words = " ".join(_FILLER[index % len(_FILLER)] for index in range(tokens))
    return words and words + "."


def _capped(content: _ReplyContent, most: int | None) -> _ReplyContent:
    """Cut the content to `most` tokens, in the order of its parts."""
    if most is None or content.output_tokens() + tokens_in(content.reasoning) <= most:
        return content
    left = most * TOKEN_CHARS
    kept: list[str] = []
    for text in (content.reasoning, content.text, content.refusal, *(call.arguments for call in content.calls)):
        kept.append(text[:left])
        left -= -(-len(kept[-1]) // TOKEN_CHARS) * TOKEN_CHARS
    calls = tuple(
        SimulatedToolCall(call.id, call.name, arguments)
        for call, arguments in zip(content.calls, kept[3:], strict=True)
        if arguments
    )
    return _ReplyContent(kept[0], kept[1], kept[2], calls, cut_short=True)


def _finish(answer: CannedAnswer, content: _ReplyContent) -> str:
    if content.cut_short:
        return "length"
    if content.calls:
        return "tool_calls"
    if content.refusal:
        return "refusal"
    return "stop_sequence" if answer.stop_sequence else "stop"


def _usage(tokens: CannedUsage, request: SimulatedRequest, content: _ReplyContent, number: RequestSeed) -> Usage:
    read = number.of(tokens.cache_read, "cache_read")
    written_5m = number.of(tokens.cache_write_5m, "cache_write_5m")
    written_1h = number.of(tokens.cache_write_1h, "cache_write_1h")
    rest = max(request.input_tokens - read - written_5m - written_1h, 0)
    counted = content.output_tokens()
    reasoned = tokens_in(content.reasoning)
    return Usage(
        input=rest if tokens.input is None else number.of(tokens.input, "input"),
        cache_read=read,
        cache_write_5m=written_5m,
        cache_write_1h=written_1h,
        output=(counted if tokens.output is None else number.of(tokens.output, "output")) * request.choices,
        reasoning=(reasoned if tokens.reasoning is None else number.of(tokens.reasoning, "reasoning"))
        * request.choices,
    )
