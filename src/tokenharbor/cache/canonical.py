"""Questions that differ in form only: case, white space, the mark at the end, a trailing "please".

The idea. A model answers "what is the capital of france" and "What is the capital of France?" alike, but its answer to
"Spell OK" depends on the case. So the form is ignored only in a plain English question or command, in words without
punctuation between them, that is not itself about text, code, names or form. Everything else stays as written.
Ignoring the form never removes a letter, a digit, or a word other than that "please".

Invariants: `canonical(text)` is `text` itself unless every condition below holds; two texts with different words never
have the same canonical form.
"""

import re

_MOST = 300  # characters
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9' ,]*+[?. ]*", re.ASCII)
_PLEASE = " please"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OPENERS = _words(
    """
    are can could define describe did do does explain give how is list name recommend should suggest tell was were
    what when where which who whom whose why will would
    """
)

_FORM = _words(
    """
    answer apostrophe ascii bold cap capitalise capitalize capitals caps case casing character characters check code
    comma command convert copy correct count dash digit digits echo edit encode exact exactly fix font form format
    grammar headline hyphen identifier italic keyword keywords letter letters line lines literal lowercase mark
    marks mean meaning means meant password period phrase poem print pronounce pronounced proofread punctuate
    punctuation quotation quote quoted regex repeat reply rewrite rhyme rhymes say says sentence sentences sentiment
    shout sic spaces spell spelled spelling spelt stands string syllable syllables symbol text title tone translate
    translation type typed typo uppercase variable verbatim vowel vowels word words write written
    """
)
"""Words of requests that are about the form of a text: such a request stays as written."""

TWO_MEANINGS = _words(
    """
    access ada amazon apache apple april atom august bath bill bolt bush caddy cancer catholic chad chase china
    christian cook cork crystal dart delta discord docker earth eclipse elixir excel express flask ford frank
    gap gates gene go god grant guinea harry hermes hive ivy jack japan java job jobs june kind lent lima lisp
    march mark mars may mercury meta meteor mint mobile moon nice notion oracle orange outlook pat patience perl
    phoenix pole polish puma puppet python rails rain react reading redshift rich rose ruby rust sage said salt
    sat scala scratch self shell signal slack snowflake sol spark split spring square storm stripe sun swift
    target teams telegram titanic tours turkey twitter us venus visa who will windows zoom
    """
)
"""Words that mean something else with a capital: Polish, Turkey, Go, Spark."""


def canonical(text: str) -> str:
    """Return a question in canonical form, or the text unchanged if its form may carry a meaning."""
    if len(text) > _MOST or _PLAIN.fullmatch(text) is None:
        return text
    words = text.rstrip("?. ").replace(",", " ").split()
    low = [word.lower() for word in words]
    if low[0] not in _OPENERS or not _FORM.isdisjoint(low) or not TWO_MEANINGS.isdisjoint(low[1:]):
        return text
    if words != low and (not all(map(_is_usual, words)) or any(map(_may_be_a_symbol, words[1:]))):
        return text
    return " ".join(text.lower().split()).rstrip("?. ").removesuffix(_PLEASE).rstrip(", ")


def _is_usual(word: str) -> bool:
    """Return whether a word's case only marks the beginning of a sentence or name. Not so: iPhone, US, H2O, one
    letter.
    """
    rest = word[1:]
    return rest.islower() or rest.isdigit() or word.islower() or word.isdigit() or word == "I"


def _may_be_a_symbol(word: str) -> bool:
    """Return whether a word has two letters, and its capital may be significant: Nm and nm, Mg and mg, He and he."""
    return len(word) == 2 and word.istitle()
