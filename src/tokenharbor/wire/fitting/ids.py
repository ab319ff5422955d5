"""Ids of calls and answers and names of tools, adapted to dialects that allow fewer characters than the original's."""

import hashlib
import re
from collections.abc import Iterable

_UNFIT = re.compile(r"[^A-Za-z0-9_-]")
_PREFIXES = r"(?:msg_|chatcmpl-|resp_)"
_PREFIX = re.compile(f"^{_PREFIXES}+")
_FITTING = re.compile(f"{_PREFIXES}*([A-Za-z0-9_-]*)")


SHORT, LONG = 64, 128
"""The longest tool name, in characters: in OpenAI's dialects, and in Anthropic's and Google's."""


def fit(word: str, most: int) -> str:
    """Return a word of letters, digits, `_` and `-` with at most `most` characters: unchanged if it fits, else a
    replacement that is deterministic and distinct for each word.
    """
    plain = _UNFIT.sub("_", word)
    if plain == word and 0 < len(word) <= most:
        return word
    mark = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return f"{plain[: most - 13]}_{mark}"


def fit_begun(word: str, most: int) -> str:
    """Likewise, but the first character is a letter or `_`."""
    if word[:1].isalpha() or word[:1] == "_":
        return fit(word, most)
    return fit(f"_{word}.", most)  # the dot distinguishes it from a word that begins with `_` itself


def fit_call(id_: str, most: int = 64) -> str:
    """Adapt a call's id; calls and results get the same id, so they still match."""
    return fit(id_, most)


def originals(names: Iterable[str]) -> dict[str, str]:
    """Map each adapted tool name to the caller's name."""
    return {fitted: name for name in names for fitted in _fitted(name) if fitted != name}


def _fitted(name: str) -> tuple[str, ...]:
    return fit(name, SHORT), fit(name, LONG), fit_begun(name, LONG)


def fit_answer(id_: str, prefix: str) -> str:
    """Return an answer's id with the dialect's prefix."""
    if id_.startswith(prefix):
        return id_
    fitting = _FITTING.fullmatch(id_)
    return prefix + (fitting[1] if fitting else _UNFIT.sub("_", _PREFIX.sub("", id_)))
