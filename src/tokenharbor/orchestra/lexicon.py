"""The lexicon: counts concepts in a text by their cues in several languages."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files

import msgspec

_WITHOUT_SPACES = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")  # kana and Chinese characters
_LEAST = 5  # letters of a word whose spelling is corrected: shorter ones are too close to others
_LEAD = 4  # characters of a prefix that are looked up first


class RunCue(msgspec.Struct, frozen=True):
    """A run of characters that is a cue. `characters` is their set: a text that lacks one cannot contain the run."""

    run: str
    characters: frozenset[str]
    concept: str


class Lexicon(msgspec.Struct, frozen=True):
    """Cues, indexed by how they are found. `words`: whole words. `cut_words`: long words with one letter missing, to
    the word meant. `prefixes`: by their first characters. `phrases`: by their first word. `runs`: anywhere in scripts
    without spaces, by their first character. `longest` is the length of the longest word; `letters` has all letters of
    all words.
    """

    words: Mapping[str, tuple[str, ...]]
    cut_words: Mapping[str, str]
    prefixes: Mapping[str, tuple[tuple[str, str], ...]]
    phrases: Mapping[str, tuple[tuple[str, str], ...]]
    runs: Mapping[str, tuple[RunCue, ...]]
    longest: int
    letters: frozenset[str]

    def concepts(self, tokens: Mapping[str, int], joined: str) -> dict[str, int]:
        """Return the count of each concept. `joined` is the tokens joined by single spaces, for phrases and runs."""
        counts: dict[str, int] = {}  # a Counter takes three times as long
        prefixes = self.prefixes
        for word in tokens.keys() & self.words.keys():
            for concept in self.words[word]:
                counts[concept] = counts.get(concept, 0) + tokens[word]
        for first in tokens.keys() & self.phrases.keys():
            for concept in {concept for phrase, concept in self.phrases[first] if phrase in joined}:
                counts[concept] = counts.get(concept, 0) + 2
        for token, count in tokens.items():
            if token[:_LEAD] in prefixes:  # rarely true, so the loop over prefixes is a separate method
                self._by_prefix(token, count, counts)
        if not joined.isascii() and _WITHOUT_SPACES.search(joined):
            self._by_run(frozenset("".join(tokens)), joined, counts)
        return counts

    def corrected(self, words: Sequence[str]) -> list[str]:
        """Return words with typing errors corrected: one letter missing, one too many, or two swapped."""
        return [word if word in self.words or len(word) < _LEAST else self._correct(word) for word in words]

    def _correct(self, word: str) -> str:
        if len(word) > self.longest + 1 or self.letters.isdisjoint(word[:2]):  # one correction cannot make it a word
            return word
        if word in self.cut_words:
            return self.cut_words[word]
        for at in range(len(word) - 1):
            for other in (word[:at] + word[at + 1 :], word[:at] + word[at + 1] + word[at] + word[at + 2 :]):
                if other in self.words and len(other) > _LEAST:
                    return other
        return word

    def _by_prefix(self, token: str, count: int, counts: dict[str, int]) -> None:
        for prefix, concept in self.prefixes[token[:_LEAD]]:
            if token.startswith(prefix):
                counts[concept] = counts.get(concept, 0) + count

    def _by_run(self, characters: frozenset[str], joined: str, counts: dict[str, int]) -> None:
        for first in characters & self.runs.keys():
            for each in self.runs[first]:
                if each.characters <= characters and each.run in joined:
                    counts[each.concept] = counts.get(each.concept, 0) + 1


def load_lexicon() -> Lexicon:
    """Read the cues of cues.toml."""
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
