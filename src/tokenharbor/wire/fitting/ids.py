"""Ids of calls and answers and names of tools, made fit for dialects that allow fewer characters than the one they
come from.
"""

import hashlib
import re
from collections.abc import Iterable

_UNFIT = re.compile(r"[^A-Za-z0-9_-]")
_PREFIXES = r"(?:msg_|chatcmpl-|resp_)"
_PREFIX = re.compile(f"^{_PREFIXES}+")
_FITTING = re.compile(f"{_PREFIXES}*([A-Za-z0-9_-]*)")


SHORT, LONG = 64, 128
"""How many characters a tool's name may have: in OpenAI's dialects, and in Anthropic's and Google's."""


def fit(word: str, most: int) -> str:
    """A word in letters, digits, `_` and `-`, of at most `most` characters: as it is if it fits, else another one that
    is the same each time and unlike those of other words.
    """
    plain = _UNFIT.sub("_", word)
    if plain == word and 0 < len(word) <= most:
        return word
    mark = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return f"{plain[: most - 13]}_{mark}"


def fit_begun(word: str, most: int) -> str:
    """Likewise, and begun with a letter or `_`."""
    if word[:1].isalpha() or word[:1] == "_":
        return fit(word, most)
    return fit(f"_{word}.", most)  # the dot lets it differ from the word that has the `_` of itself


def fit_call(id_: str, most: int = 64) -> str:
    """A call's id: results find their calls, since it is made fit the same way in both."""
    return fit(id_, most)


def originals(names: Iterable[str]) -> dict[str, str]:
    """What the caller calls the tools whose names had to be made fit."""
    return {fitted: name for name in names for fitted in _fitted(name) if fitted != name}


def _fitted(name: str) -> tuple[str, ...]:
    return fit(name, SHORT), fit(name, LONG), fit_begun(name, LONG)


def fit_answer(id_: str, prefix: str) -> str:
    """An answer's id as a dialect begins it."""
    if id_.startswith(prefix):
        return id_
    fitting = _FITTING.fullmatch(id_)
    return prefix + (fitting[1] if fitting else _UNFIT.sub("_", _PREFIX.sub("", id_)))
