"""The line numbers of a TOML file's tables and fields, for messages: `tomllib` does not report them."""

import re
import tomllib
from collections.abc import Mapping

TomlPath = tuple[str, ...]
"""A path of table names, then a field's: `("plans", "pro", "label")`."""

_LEXEME = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'  # a multi-line string may end in quotes
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*"
    r"|[\n\[\]{}=]"
    r"""|[^\s"'#\[\]{}=]+""",
    re.DOTALL,
)
_NAME = re.compile(r'"(?:\\.|[^"\\])*"|\'[^\']*\'|[A-Za-z0-9_-]+')


def key_lines(text: str) -> Mapping[TomlPath, int]:
    """Return the first line of each table and field of a text, which must be TOML. Inline tables and arrays are not
    searched.
    """
    scan = _Scan()
    for match in _LEXEME.finditer(text + "\n"):
        scan.take(match[0])
    return scan.found


class _Scan:
    """The state of a scan. A statement is a header `[a.b]`, or a key, `=` and a value."""

    def __init__(self) -> None:
        self.found: dict[TomlPath, int] = {}
        self._table: TomlPath = ()
        self._line = 1
        self._words = ""
        self._in_value = False
        self._depth = 0

    def take(self, lexeme: str) -> None:
        if lexeme == "\n":
            self._end_line()
        elif self._in_value:
            self._depth += (lexeme in "[{") - (lexeme in "]}")
        elif lexeme == "=":
            self._state(self._table + _names(self._words))
            self._in_value = True
        elif not lexeme.startswith("#"):
            self._words += lexeme
        self._line += lexeme.count("\n")

    def _end_line(self) -> None:
        if self._depth:
            return
        if not self._in_value and self._words:
            self._table = _names(self._words)
            self._state(self._table)
        self._words, self._in_value = "", False

    def _state(self, path: TomlPath) -> None:
        for length in range(1, len(path) + 1):
            self.found.setdefault(path[:length], self._line)


def _names(key: str) -> TomlPath:
    """Return the parts of a dotted key, or of a header."""
    return tuple(name if name[0] not in "\"'" else tomllib.loads(f"k = {name}")["k"] for name in _NAME.findall(key))
