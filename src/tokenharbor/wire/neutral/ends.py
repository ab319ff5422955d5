"""Finish words: the meaning of each word that a dialect uses for how an answer ended, and the rule
for unlisted words.
"""

import re
from collections.abc import Mapping

from tokenharbor.wire.neutral.events import FinishReason
from tokenharbor.wire.neutral.failure import Failure, FailureKind

Meaning = FinishReason | FailureKind

_SAYS_FAILURE = re.compile(r"error|fail|abort|cancel|timeout|timed.?out|interrupt|overload", re.IGNORECASE)
_UNFIT = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST = 40  # characters of a word in a log


class FinishTable:
    """A dialect's table. A word that it does not list is a failure if the word itself says so, or if no content came
    before it. Otherwise the answer counts as complete, and the word is reported.
    """

    def __init__(self, words: Mapping[str, Meaning], otherwise: FinishReason = FinishReason.STOP) -> None:
        self._words = words
        self._otherwise = otherwise
        self.usual = frozenset(word for word, meaning in words.items() if isinstance(meaning, FinishReason))

    def reason(self, word: str) -> FinishReason:
        """Return the reason for a word that is not a failure; "" is an end without a word."""
        meaning = self._find(word)
        return meaning if isinstance(meaning, FinishReason) else self._otherwise

    def failure(self, word: str, *, empty: bool, message: str = "") -> Failure | None:
        """Return the failure that a word means, if any. `empty`: the answer has no content."""
        meaning = self._find(word)
        if isinstance(meaning, FinishReason) or not word:
            return None
        if meaning is None and not empty and not _SAYS_FAILURE.search(word):
            return None
        named = _bounded(word)
        return Failure(meaning or FailureKind.SERVER, message=message or f"the answer ended: {named}", type=named)

    def unknown(self, word: str) -> str:
        """Return the word, cleaned for logs, if no table lists it; else ""."""
        return "" if not word or word in self.usual or self._find(word) is not None else _bounded(word)

    def _find(self, word: str) -> Meaning | None:
        """Look a word up; some vendors use other vendors' words, another case, or a suffix after a colon."""
        found = self._words.get(word)
        if found is None:
            plain = word.lower()
            found = self._words.get(plain) or self._words.get(plain.partition(":")[0])
        return found


def _bounded(word: str) -> str:
    return _UNFIT.sub("_", word)[:_LONGEST]
