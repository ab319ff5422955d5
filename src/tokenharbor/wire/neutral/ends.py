"""How answers end: what each of a dialect's words for it means, and what becomes of a word that no table lists."""

import re
from collections.abc import Mapping

from tokenharbor.wire.neutral.events import FinishReason
from tokenharbor.wire.neutral.failure import Failure, FailureKind

Meaning = FinishReason | FailureKind

_SAYS_FAILURE = re.compile(r"error|fail|abort|cancel|timeout|timed.?out|interrupt|overload", re.IGNORECASE)
_UNFIT = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST = 40  # characters of a word in a log


class FinishTable:
    """A dialect's table. A word that it does not list means a failure if it says so itself, or if no content came
    before it. Otherwise the answer counts as complete, and the word is reported.
    """

    def __init__(self, words: Mapping[str, Meaning], otherwise: FinishReason = FinishReason.STOP) -> None:
        self._words = words
        self._otherwise = otherwise
        self.usual = frozenset(word for word, meaning in words.items() if isinstance(meaning, FinishReason))

    def reason(self, word: str) -> FinishReason:
        """What a word means that is no failure; "" is an end without one."""
        meaning = self._find(word)
        return meaning if isinstance(meaning, FinishReason) else self._otherwise

    def failure(self, word: str, *, empty: bool, message: str = "") -> Failure | None:
        """The failure that a word means. `empty`: the answer has no content."""
        meaning = self._find(word)
        if isinstance(meaning, FinishReason) or not word:
            return None
        if meaning is None and not empty and not _SAYS_FAILURE.search(word):
            return None
        named = _bounded(word)
        return Failure(meaning or FailureKind.SERVER, message=message or f"the answer ended: {named}", type=named)

    def unknown(self, word: str) -> str:
        """The word as it may be logged, if no table lists it."""
        return "" if not word or word in self.usual or self._find(word) is not None else _bounded(word)

    def _find(self, word: str) -> Meaning | None:
        """Some vendors write the words of others, in other cases, or with more behind a colon."""
        found = self._words.get(word)
        if found is None:
            plain = word.lower()
            found = self._words.get(plain) or self._words.get(plain.partition(":")[0])
        return found


def _bounded(word: str) -> str:
    return _UNFIT.sub("_", word)[:_LONGEST]
