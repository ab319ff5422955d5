"""The splicer of Gemini's streams: the turn of each event."""

from tokenharbor.wire.dialects.gemini.answer_schema import (
    GeminiCandidate,
    GeminiChunk,
    candidate_size,
    decode_chunk,
    is_blocked,
)
from tokenharbor.wire.dialects.gemini.ends import ENDS, failure_of
from tokenharbor.wire.dialects.gemini.failures import read_stream_failure
from tokenharbor.wire.dialects.gemini.usage import try_usage
from tokenharbor.wire.framing.choices import ChoiceTracker
from tokenharbor.wire.framing.cost import add_cost
from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.framing.splice import CONTENT, ENDING, IDLE, KEPT, EventSplicer
from tokenharbor.wire.neutral.failure import GARBAGE_EVENT

USAGE = "usageMetadata"


class GeminiSplicer(EventSplicer):
    """A splicer whose ending begins at the last candidate's finish reason, or at a refusal of the prompt. The dialect
    has no terminator, and events with more usage may follow: the answer is complete when the bytes end.
    """

    __slots__ = ("_candidates",)

    def __init__(self, candidates: int) -> None:
        super().__init__()
        self._candidates = ChoiceTracker(candidates)

    def close(self, *, whole: bool = True) -> bytes:
        out = super().close(whole=whole)
        if self.failure is None and self._candidates.all_finished:
            self._end_all()
        self.complete = self.ending_begun and self.failure is None
        return out

    def _judge(self, name: bytes, data: bytes | None) -> int:  # noqa: ARG002  events have no names here
        if not data:
            return IDLE
        try:
            chunk = decode_chunk(data)
        except UNREADABLE:
            return self._fail(GARBAGE_EVENT)
        if len(chunk.error) > 4 and (failure := read_stream_failure(chunk.error)) is not None:
            return self._fail(failure)
        self._note_usage(chunk)
        if is_blocked(chunk):
            return ENDING
        if not chunk.candidates and len(chunk.usage_metadata) > 4 and self._candidates.all_finished:
            return ENDING
        if chunk.candidates is None:
            return (
                IDLE
                if len(chunk.usage_metadata) > 4 or chunk.prompt_feedback is not None
                else self._fail(GARBAGE_EVENT)
            )
        turn = max([self._judge_candidate(candidate) for candidate in chunk.candidates], default=IDLE)
        if turn == KEPT:
            for candidate in chunk.candidates:
                self._candidates.keep(candidate.index)
        return turn

    def _judge_candidate(self, candidate: GeminiCandidate) -> int:
        turn = IDLE
        parts = candidate.content.parts if candidate.content else None
        if parts:
            self._grown += candidate_size(candidate)
            if any(part.text or part.function_call or part.inline_data or part.thought_signature for part in parts):
                turn = CONTENT
        candidates = self._candidates
        if turn == CONTENT and candidate.index not in candidates.growing and not candidates.grow(candidate.index):
            turn = KEPT
        word = candidate.finish_reason
        if not word:
            return turn
        if word not in ENDS.usual:
            failure = failure_of(candidate, empty=not self.started and turn == IDLE)
            if failure is not None:
                return self._fail(failure)
            self.finish_unknown = ENDS.unknown(word)
        return ENDING if self._candidates.finish(candidate.index) else KEPT

    def _note_usage(self, chunk: GeminiChunk) -> None:
        """Record usage; each event may have cumulative counts, and the last one counts."""
        if len(chunk.usage_metadata) <= 4:
            return
        self.usage = usage = try_usage(chunk.usage_metadata)
        self.quarantined = usage is None
        self.usage_so_far = usage or self.usage_so_far

    def _price(self, data: bytes, cost_usd: str) -> bytes | None:
        return add_cost(data, cost_usd, USAGE)
