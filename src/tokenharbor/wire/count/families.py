"""Tokenizer families: how far each one's counts lie from o200k's, and what vendors add around the words."""

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from importlib.resources import files
from typing import Any

import msgspec

from tokenharbor.wire.count.tokenizer import CharacterKinds


class ImageTokens(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a picture counts for.

    With `side`, it is cut into patches of so many pixels: `factor` tokens each, at most `most` patches after it was
    shrunk until its longer side has `edge` pixels. With `tile`, it is shrunk into a square of `edge` and to a shorter
    side of `short`, and cut into tiles: `base` tokens and `each` for a tile. With neither, `each` it is, always.
    """

    side: int = 0
    tile: int = 0
    edge: int = 0
    short: int = 0
    most: int = 0
    base: int = 0
    each: int = 0
    factor: float = 1


class SealedReasoning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Reasoning that comes back sealed: tokens for each byte of this dialect's notes beyond the first `free`."""

    dialect: str
    factor: float
    free: int


class ToolFormat(StrEnum):
    """How a model is shown its tools, as far as their tokens tell."""

    JSON = "json"  # the schema as it came
    TYPESCRIPT = "typescript"
    DECLARATION = "declaration"  # Gemini's: `declaration:name{description:"…",parameters:{…}}`
    FIELDS = "fields"  # words only; `field` and `nested` stand for what is written around them


class TokenizerFamily(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tokenizer, and the usual overheads of the vendors that use it. `ratio` is its tokens for each of o200k's;
    `weights` has those on top for characters that it splits more finely, or less; `margin` puts the estimates in the
    middle of what is promised: at most 3% under and 20% over.
    """

    picture: ImageTokens
    margin: float = 1.06
    ratio: float = 1
    weights: CharacterKinds = CharacterKinds()
    request: int = 3
    message: int = 4
    system: int = 4  # a system message at the start
    shown: ToolFormat = ToolFormat.JSON
    tools: int = 0  # once, where there are tools
    forced: int = 0  # once more, where one must be called
    tool: int = 0
    field: int = 0  # of a tool's schema
    nested: int = 0  # once more for a field that has fields
    call: int = 0
    parallel: int = 0  # once more, for a message with more than one call
    result: int = 0
    format: int = 0  # once, where a schema is asked for
    format_factor: float = 1  # of the schema's own tokens
    thinking: int = 0  # once, where the caller sets a budget
    thought: int = 0  # once, unless the caller wants no reasoning
    cited: int = 0  # once, where citations are asked for
    file: int = 0  # around a document's text
    remembers: bool = False  # what was thought in words in turns gone by
    opaque: SealedReasoning | None = None
    page: int = 1_000  # of a PDF
    glyph: float = 0  # for each character that a PDF shows
    second: float = 32  # of sound


def _read() -> Mapping[str, TokenizerFamily]:
    tables = tomllib.loads(files(__package__).joinpath("families.toml").read_text("utf-8"))
    return msgspec.convert({name: _whole(table, tables) for name, table in tables.items()}, dict[str, TokenizerFamily])


def _whole(table: Mapping[str, Any], tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The table with what it has from the one that it is `like`."""
    own = {name: value for name, value in table.items() if name != "like"}
    return {**_whole(tables[table["like"]], tables), **own} if "like" in table else own


FAMILIES: Mapping[str, TokenizerFamily] = _read()


def find_family(name: str, wire: str = "") -> TokenizerFamily:
    """The family; where a vendor adds something of its own in one wire, the one for that."""
    return FAMILIES.get(f"{name}@{wire}") or FAMILIES.get(name) or FAMILIES["default"]
