"""Words that say what a request is for, in several languages: from tokens to counts of concepts."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files

import msgspec

_WITHOUT_SPACES = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")  # kana and Chinese characters
_LEAST = 5  # letters of a word that is mended: shorter ones are too near to others
_LEAD = 4  # characters of a prefix that are looked up first


class RunCue(msgspec.Struct, frozen=True):
    """Characters in a row, and all of them, which must be there before it is worth looking for the row."""

    run: str
    characters: frozenset[str]
    concept: str


class Lexicon(msgspec.Struct, frozen=True):
    """Cues by how they are found: `words` whole (`cut_words`: long ones that lack a letter), `prefixes` by their first
    characters, `phrases` by their first word, `runs` (of scripts without spaces) anywhere, by their first character.
    `longest` is the length of the longest word, `letters` are those of all words.
    """

    words: Mapping[str, tuple[str, ...]]
    cut_words: Mapping[str, str]
    prefixes: Mapping[str, tuple[tuple[str, str], ...]]
    phrases: Mapping[str, tuple[tuple[str, str], ...]]
    runs: Mapping[str, tuple[RunCue, ...]]
    longest: int
    letters: frozenset[str]

    def concepts(self, tokens: Mapping[str, int], joined: str) -> dict[str, int]:
        """How often each concept occurs. `joined` is the tokens with single spaces, for phrases and runs."""
        found: dict[str, int] = {}  # a Counter takes three times as long
        prefixes = self.prefixes
        for word in tokens.keys() & self.words.keys():
            for concept in self.words[word]:
                found[concept] = found.get(concept, 0) + tokens[word]
        for first in tokens.keys() & self.phrases.keys():
            for concept in {concept for phrase, concept in self.phrases[first] if phrase in joined}:
                found[concept] = found.get(concept, 0) + 2
        for token, count in tokens.items():
            if token[:_LEAD] in prefixes:  # few are: a loop of its own, below, is for them alone
                self._by_prefix(token, count, found)
        if not joined.isascii() and _WITHOUT_SPACES.search(joined):
            self._by_run(frozenset("".join(tokens)), joined, found)
        return found

    def mended(self, words: Sequence[str]) -> list[str]:
        """Words, those with one letter too few, too many or in the wrong place as they were meant."""
        return [word if word in self.words or len(word) < _LEAST else self._meant(word) for word in words]

    def _meant(self, word: str) -> str:
        if len(word) > self.longest + 1 or self.letters.isdisjoint(word[:2]):  # no one letter makes a word of it
            return word
        if word in self.cut_words:
            return self.cut_words[word]
        for at in range(len(word) - 1):
            for other in (word[:at] + word[at + 1 :], word[:at] + word[at + 1] + word[at] + word[at + 2 :]):
                if other in self.words and len(other) > _LEAST:
                    return other
        return word

    def _by_prefix(self, token: str, count: int, found: dict[str, int]) -> None:
        for prefix, concept in self.prefixes[token[:_LEAD]]:
            if token.startswith(prefix):
                found[concept] = found.get(concept, 0) + count

    def _by_run(self, characters: frozenset[str], joined: str, found: dict[str, int]) -> None:
        for first in characters & self.runs.keys():
            for each in self.runs[first]:
                if each.characters <= characters and each.run in joined:
                    found[each.concept] = found.get(each.concept, 0) + 1


def load_lexicon() -> Lexicon:
    """The cues of cues.toml."""
    tables = tomllib.loads(files(__package__).joinpath("cues.toml").read_text("utf-8"))
    words: dict[str, list[str]] = {}
    prefixes: dict[str, list[tuple[str, str]]] = {}
    phrases: dict[str, list[tuple[str, str]]] = {}
    runs: dict[str, str] = {}
    for concept, languages in tables.items():
        for language, cues in languages.items():
            for cue in cues:
                if language in {"zh", "ja"}:
                    runs[cue] = concept
                elif cue.endswith("*"):
                    prefixes.setdefault(cue[:_LEAD], []).append((cue[:-1], concept))
                elif " " in cue:
                    phrases.setdefault(cue.split()[0], []).append((cue, concept))
                elif concept not in words.setdefault(cue, []):
                    words[cue].append(concept)
    by_character: dict[str, list[RunCue]] = {}
    for run, concept in runs.items():
        by_character.setdefault(run[0], []).append(RunCue(run, frozenset(run), concept))
    long = [word for word in words if len(word) > _LEAST]
    return Lexicon(
        {word: tuple(concepts) for word, concepts in words.items()},
        {word[:at] + word[at + 1 :]: word for word in long for at in range(len(word))},
        {lead: tuple(found) for lead, found in prefixes.items()},
        {first: tuple(found) for first, found in phrases.items()},
        {first: tuple(found) for first, found in by_character.items()},
        max(map(len, words)),
        frozenset("".join(words)),
    )
