"""House rules for any text, each a function from a file to what is wrong with it."""

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Final

from tests.house.checkout import Source

# ---- the first line

_STARTS = re.compile(r'r?"""\S')
_SENTENCE_ENDS = (".", ":")
_COMMENT: Final[Mapping[str, str]] = {".sql": "-- ", ".sh": "# ", ".toml": "# ", "Makefile": "# ", "run": "# "}
_MADE_ELSEWHERE = ("pyproject.toml",)  # begins as its format's readers expect


def opens_with_a_sentence(source: Source) -> Iterator[str]:
    """The first thing in a file is a sentence that says what lives there."""
    if source.is_python:
        opening = (ast.get_docstring(source.tree) or "").partition("\n\n")[0]
        if not _STARTS.match(source.text) or not opening.endswith(_SENTENCE_ENDS):
            yield source.at(1, "the first line begins a docstring, whose first sentence says what lives here")
        return
    mark = next((mark for ending, mark in _COMMENT.items() if source.path.endswith(ending)), None)
    if mark is None or source.path in _MADE_ELSEWHERE:
        return
    line = next((line for line in source.lines if not line.startswith("#!")), "")
    if not line.startswith(mark) or line.startswith(f"{mark}name:"):
        yield source.at(1, f"the first line begins with {mark!r} and says what lives here")


# ---- sizes

LONGEST_FILE: Final = 400
LONGEST_TEST: Final = 700  # cases stand one after the other: nobody reads them as a whole
_WHOLE_BY_NATURE = re.compile(r".*/migrations/\d{4}_\w+\.sql")  # a migration is never changed, so never split either
_CODE = (".py", ".sql", ".sh", ".html", "Makefile")


def fits_on_a_desk(source: Source) -> Iterator[str]:
    if source.path.endswith(_CODE) and not _WHOLE_BY_NATURE.fullmatch(source.path):
        count = len(source.lines)
        longest = LONGEST_TEST if source.path.startswith("tests/") else LONGEST_FILE
        if count > longest:
            yield source.at(count, f"{count} lines; {longest} at most: this is two things")


# ---- finished work

_UNFINISHED = re.compile(r"T[O]DO|FIX[M]E|X[X]X|H[A]CK")


def is_finished(source: Source) -> Iterator[str]:
    for number, line in enumerate(source.lines, 1):
        found = _UNFINISHED.search(line)
        if found is not None and not source.path.endswith((".lock", "package-lock.json")):
            yield source.at(number, f"{found[0]}: finish it, or leave it out")


# ---- nobody's machine

# Each has a letter in brackets, so that this file keeps the rule too.
_PLACES = r"(?<![\w.])/(w[o]rk|r[o]ot)/"
_REGISTRIES = r"p[y]pi\.org|python[h]osted\.org|registry\.(np[m]js|yarn[p]kg)\.|deb\.deb[i]an\.org|proxy\.go[l]ang\.org"
_OF_A_MACHINE = re.compile(rf"{_PLACES}|{_REGISTRIES}|index-url[ =]+http")


def belongs_to_no_machine(source: Source) -> Iterator[str]:
    """No package registry's host and no path of the machine on which it was written."""
    for number, line in enumerate(source.lines, 1):
        found = _OF_A_MACHINE.search(line)
        if found is not None:
            yield source.at(number, f"{found[0]}: of a machine or a registry; nothing committed names one")


# ---- exceptions with their reasons

_QUIET = re.compile(r"#\s*(noqa|type:\s*ignore|pragma|fmt:\s*off)\b(?P<rest>.*)")
_CODES = re.compile(r"[:\s,]*(\[[\w, -]+\]|[A-Z]+\d+)?")
_RUFF_CODE = re.compile(r'^\s+("[A-Z]+\d*",?\s*)+')


def explains_its_exceptions(source: Source) -> Iterator[str]:
    """A lint that is told to be quiet is told why, on the same line; in tests it often goes without saying."""
    if source.path == "pyproject.toml":
        yield from _unexplained_ignores(source)
    if not source.is_python or source.path.startswith("tests/"):
        return
    for number, line in enumerate(source.lines, 1):
        found = _QUIET.search(line)
        if found is not None and not _reason(found["rest"]):
            yield source.at(number, "an exception without its reason")


def _reason(rest: str) -> str:
    while (codes := _CODES.match(rest)) is not None and codes.end():
        rest = rest[codes.end() :]
    return rest.strip(" #.-")


def _unexplained_ignores(source: Source) -> Iterator[str]:
    inside = False
    for number, line in enumerate(source.lines, 1):
        if line.startswith("["):
            inside = line.startswith("[tool.ruff.lint")
        lists_codes = _RUFF_CODE.match(line) or re.match(r'^".*" = \["', line)
        if inside and lists_codes and not line.partition("#")[2].strip():
            yield source.at(number, "a lint is left out without its reason")
