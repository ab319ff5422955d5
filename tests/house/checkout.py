"""The checkout's files, as the house rules read them."""

import ast
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
HOUSE: Final = "src/tokenharbor/"


@dataclass(frozen=True, slots=True)
class Source:
    """A file: its path from the root, and its text."""

    path: str
    text: str

    @property
    def is_python(self) -> bool:
        return self.path.endswith(".py")

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def tree(self) -> ast.Module:
        return _parsed(self.text)

    def at(self, line: int, finding: str) -> str:
        return f"{self.path}:{line}: {finding}"


@functools.cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


@functools.cache
def read_checkout() -> tuple[Source, ...]:
    """Every file that is or can be committed: all but what .gitignore names."""
    return tuple(
        Source(path.relative_to(ROOT).as_posix(), path.read_bytes().decode(errors="replace")) for path in _files()
    )


def _files() -> Iterator[Path]:
    patterns = [".git", *(line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split())]

    def is_ours(name: str) -> bool:
        return not any(fnmatch(name, pattern) for pattern in patterns)

    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(filter(is_ours, folders))
        paths = (Path(folder, name) for name in sorted(filter(is_ours, names)))
        yield from (path for path in paths if not path.is_symlink())  # such as to what is not built yet
