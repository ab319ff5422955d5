"""Splits text into MiniLM's word pieces: lower case, no accents, punctuation separate, longest piece first."""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_CLS, _SEP, _UNKNOWN = "[CLS]", "[SEP]", "[UNK]"
_LONGEST_WORD = 64  # letters; anything longer is an unknown word


@dataclass(frozen=True, slots=True)
class Pieces:
    """A text in word pieces: each piece's id, and the index of the word that it is part of."""

    ids: tuple[int, ...]
    words: tuple[str, ...]
    word_of: tuple[int, ...]  # for each id except the first and the last, which are marks


@dataclass(frozen=True, slots=True)
class WordPieces:
    """A vocabulary of word pieces."""

    numbers: dict[str, int] = field(repr=False)

    @classmethod
    def of_lines(cls, lines: Iterable[str]) -> "WordPieces":
        return cls({line.rstrip("\n"): number for number, line in enumerate(lines)})

    def read(self, text: str, most: int) -> Pieces | None:
        """Return the text's pieces with the start and end marks, or None if there are more than `most`."""
        ids, words, word_of = [self.numbers[_CLS]], tuple(split(text)), list[int]()
        for number, word in enumerate(words):
            pieces = self._pieces(word)
            ids.extend(pieces)
            word_of.extend([number] * len(pieces))
            if len(ids) >= most:
                return None
        return Pieces((*ids, self.numbers[_SEP]), words, tuple(word_of))

    def _pieces(self, word: str) -> list[int]:
        unknown, found, start = [self.numbers[_UNKNOWN]], list[int](), 0
        if len(word) > _LONGEST_WORD:
            return unknown
        while start < len(word):
            end, number = len(word), None
            while end > start and number is None:
                number = self.numbers.get(("##" if start else "") + word[start:end])
                end -= 1
            if number is None:
                return unknown
            found.append(number)
            start = end + 1
        return found


def split(text: str) -> Iterator[str]:
    """Yield words and punctuation in lower case, without accents, as in MiniLM's training."""
    plain = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
    start = -1
    for at, letter in enumerate(plain):
        if letter.isalnum():
            start = at if start < 0 else start
            continue
        if start >= 0:
            yield plain[start:at]
            start = -1
        if not letter.isspace() and letter.isprintable():
            yield letter
    if start >= 0:
        yield plain[start:]
