"""The language of a page: what its address, its reader's choice or the browser says; and its words."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final, Literal, get_args

Language = Literal["en", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

_QUALITY = re.compile(r"q=([01](?:\.[0-9]{0,3})?)")


@dataclass(frozen=True, slots=True)
class SiteWords:
    """The words of a language, by the English ones; English itself has none."""

    language: Language
    table: Mapping[str, str]

    def __call__(self, text: str, **values: object) -> str:
        """A text with its `{name}` filled in. It is not escaped: the template does that."""
        return self.table.get(text, text).format(**values) if values else self.table.get(text, text)


def read_words() -> Mapping[Language, SiteWords]:
    """By language, from words.toml."""
    tables = tomllib.loads(files("tokenharbor.console.site").joinpath("words.toml").read_text("utf-8"))
    return {language: SiteWords(language, tables.get(language, {})) for language in LANGUAGES}


def known_language(text: str | None) -> Language | None:
    return next((each for each in LANGUAGES if each == text), None)


def accepted_language(header: str) -> Language:
    """The first that a browser asks for and we have, else English."""
    stated = [(_quality(options), tag.strip().lower()) for tag, _, options in _parts(header)]
    ranked = sorted(stated, key=lambda each: each[0], reverse=True)  # of equals, the first stays first
    found = (known_language(tag.partition("-")[0]) for quality, tag in ranked if quality != "0")
    return next((each for each in found if each is not None), LANGUAGES[0])


def _parts(header: str) -> list[tuple[str, str, str]]:
    return [each.partition(";") for each in header[:200].split(",") if each.strip()]


def _quality(options: str) -> str:
    """As digits that sort as numbers do."""
    match = _QUALITY.search(options)
    return match[1] if match else "1"
