"""Reads a prompt for comparison: its words in canonical form, its names and literals; and whether it is fit for it."""

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

LONGEST: Final = 400  # characters; a longer prompt has more than the 32 pieces that can be embedded
_PLAIN: Final = (
    (re.compile(r"[’‘`´]"), "'"),
    (re.compile(r"\bwon't\b"), "will not"),
    (re.compile(r"\bcan't\b|\bcannot\b|\bcant\b"), "can not"),
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"\b(do|does|did|is|are|was|were|has|have|had|would|could|should)nt\b"), r"\1 not"),
    (re.compile(r"\b(what|who|where|when|how|it|that|there|here|he|she|let)'s\b"), r"\1 is"),
    (re.compile(r"\b(what|who|where|how|that)s\b"), r"\1 is"),
    (re.compile(r"'re\b"), " are"),
    (re.compile(r"'ve\b"), " have"),
    (re.compile(r"'ll\b"), " will"),
    (re.compile(r"'d\b"), " would"),
    (re.compile(r"\bi'm\b"), "i am"),
    (re.compile(r"'s\b"), " of"),
    (re.compile(r"\b(think|thinks|thought) about\b"), r"\1 of"),
    (re.compile(r"\bwhat (does|did) it feel like\b"), "what is it like"),
)
_WORD: Final = re.compile(r"[^\W_]+(?:[.,][0-9]+)*[+#]*")
_LITERAL: Final = re.compile(r"\"+([^\"]+)\"+|“([^”]+)”|(?<!\w)'([^']{2,})'(?!\w)|`([^`]+)`")
_NAME: Final = re.compile(r"[^\W\d_][\w'’&.+#-]*")
_SIGNS: Final = frozenset(("Sc", "Sm", "So"))
_MINUS: Final = re.compile(r"(?<![\w.])[-–](?=[\d.]|[$€£¥]\d)")  # an en dash, too
_STARTS: Final = re.compile(r"(?:^|[.?!:;\"“(]\s*)$")
_FORMS_OF_DO: Final = frozenset(("do", "does", "did"))
_ANYONE: Final = frozenset(
    ("how", "best", "advice", "would", "where", "can", "should")
)  # questions whose answer does not depend on who asks
JOINS: Final = frozenset(("and", "vs", "versus"))


@dataclass(frozen=True, slots=True)
class ClosedWords:
    """The word lists of `lexicon.toml`. `lists` has the unordered ones, by name."""

    dropped: frozenset[str]
    kept: frozenset[str]
    english: frozenset[str]
    same: dict[str, str]
    persons: dict[str, str]
    counted: dict[str, str]
    openings: dict[tuple[str, ...], str]
    lists: dict[str, frozenset[str]]
    idle: re.Pattern[str]
    meaning: re.Pattern[str]

    def is_function(self, word: str) -> bool:
        return word in self.dropped or word in self.kept or word in self.persons


def _read_lists() -> ClosedWords:
    tables = tomllib.loads((files(__package__) / "lexicon.toml").read_text())
    lines = ((name, line) for name, several in tables["openings"].items() for line in several.split("\n"))
    return ClosedWords(
        dropped=frozenset(tables["dropped"].split()),
        kept=frozenset(tables["kept"].split()),
        english=frozenset(tables["english"].split()),
        same=_canonical(tables["same"]),
        persons=_canonical(tables["persons"]),
        counted={word: str(number) for number, word in enumerate(tables["words"]["counted"].split()) if word != "-"},
        openings={tuple(opening.split()): name for name, line in lines for opening in line.split("|") if opening},
        lists={name: frozenset(words.split()) for name, words in tables["words"].items()},
        idle=re.compile(rf"\b(?:{'|'.join(tables['phrases']['idle'])})\b"),
        meaning=re.compile(tables["phrases"]["meaning"]),
    )


def _canonical(groups: dict[str, str]) -> dict[str, str]:
    return {word: canonical for canonical, words in groups.items() for word in words.split()}


WORDS: Final = _read_lists()


@dataclass(frozen=True, slots=True)
class Symbol:
    """A word that is compared, in its canonical form."""

    name: str
    content: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """The properties of a prompt that the guards compare."""

    symbols: tuple[Symbol, ...]
    names: frozenset[str]
    literals: tuple[str, ...]
    persons: frozenset[str]
    anyone: bool  # "I" in it may be anyone: the answer does not depend on who asks
    owned: bool
    reasons: bool  # it ends in "why?", so the answer must give reasons
    marks: tuple[str, ...] = ()  # signs, currencies, and short words whose capitals may matter: nm, Nm


def read(text: str) -> Reading:
    words = _words(text)
    opening, length = _opening(words)
    closed = WORDS
    persons = frozenset(closed.persons[word] for word in words if word in closed.persons)
    symbols = list(_symbols(words[length:]))
    if opening:
        symbols.insert(0, Symbol("what" if opening == "what" else f"@{opening}", content=False))
    reasons = len(symbols) > 1 and symbols[-1].name == "why"
    symbols = symbols[:-1] if reasons else symbols
    while symbols and symbols[-1].name == "and":
        symbols.pop()
    return Reading(
        symbols=tuple(symbols),
        names=frozenset(_names(text)),
        literals=tuple(sorted(next(filter(None, m.groups())).strip().lower() for m in _LITERAL.finditer(text))),
        persons=persons,
        anyone=opening in _ANYONE and len(persons) <= 1,
        owned=not closed.lists["owned"].isdisjoint(words),
        reasons=reasons,
        marks=tuple(sorted(_marks(text))),
    )


def _words(text: str) -> list[str]:
    lowered = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
    for pattern, plain in _PLAIN:
        lowered = pattern.sub(plain, lowered)
    lowered = WORDS.meaning.sub(r"what is meaning \g<x>", lowered)
    lowered = WORDS.idle.sub(" ", lowered)
    return [word.replace(",", "") for word in _WORD.findall(lowered)]


def _opening(words: list[str]) -> tuple[str, int]:
    for length in range(min(len(words), 10), 0, -1):
        if name := WORDS.openings.get(tuple(words[:length])):
            return name, length
    return "", 0


def _symbols(words: list[str]) -> Iterator[Symbol]:
    closed, after_do = WORDS, False
    for at, word in enumerate(words):
        canonical = closed.same.get(word, word)
        if word in _FORMS_OF_DO and (after_do or at == len(words) - 1):
            yield Symbol("@do", content=False)  # the verb, not the auxiliary
        elif word in JOINS:
            yield Symbol("and", content=False)
        elif word in closed.counted:
            yield Symbol(closed.counted[word], content=False)
        elif canonical in closed.kept:
            yield Symbol(canonical, content=False)
        elif canonical not in closed.dropped and canonical not in closed.persons:
            yield Symbol(_numbered(word, canonical), content=True)
        after_do = after_do or word in _FORMS_OF_DO


def _numbered(word: str, canonical: str) -> str:
    """Return a canonical word's stem, with `*` if the word is a plural."""
    lists = WORDS.lists
    several = word in lists["several"] or (word.endswith("s") and lemma(word) != word)
    return lemma(canonical) + ("*" if several and canonical not in lists["numberless"] else "")


def lemma(word: str) -> str:
    """Return a word without its regular ending."""
    if any(letter.isdigit() for letter in word):
        return word
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "xes", "ches", "shes", "zes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        if len(word) > len(ending) + 2 and word.endswith(ending):
            word = word[: -len(ending)]
            word = word[:-1] if len(word) > 2 and word[-1] == word[-2] and word[-1] not in "lsz" else word
    return word[:-1] if len(word) > 5 and word.endswith("e") else word


def _names(text: str) -> Iterator[str]:
    """Yield the words written as names: with a capital that does not begin a sentence, or one within the word."""
    for match in _NAME.finditer(text):
        word = match.group().rstrip(".'’").removesuffix("'s").removesuffix("’s")
        if WORDS.is_function(word.lower()) and not (len(word) > 1 and word.isupper()):
            continue  # "The" in a title is not a name; "IT" and "US" are
        begins = _STARTS.search(text[max(0, match.start() - 3) : match.start()])
        if (word[:1].isupper() and not begins) or any(letter.isupper() for letter in word[1:]):
            yield word.lower()


def _marks(text: str) -> Iterator[str]:
    """Yield signs that carry meaning, and words of one or two letters with an unusual capital."""
    yield from (letter for letter in text if letter in "%*^" or unicodedata.category(letter) in _SIGNS)
    yield from ("-" for _ in _MINUS.finditer(text))
    for match in _NAME.finditer(text):
        word = match.group()
        short = len(word) < 3 and not word.islower() and not WORDS.is_function(word.lower())
        if short and not _STARTS.search(text[max(0, match.start() - 3) : match.start()]):
            yield word


def unfit_reason(text: str) -> str | None:
    """Return why a prompt is unfit for comparison, or None. Only short plain English sentences are fit."""
    if len(text) > LONGEST:
        return "long"
    if any(mark in text for mark in "\n{}<>[]|\\=;") or "://" in text or "```" in text:
        return "structured"
    words = _words(text)
    if len(words) < 3:
        return "short"
    if any(letter.isalpha() and "LATIN" not in unicodedata.name(letter, "") for letter in text):
        return "language"
    english_words = sum(word in WORDS.english for word in words)
    return None if english_words >= 2 and english_words * 4 >= len(words) else "language"
