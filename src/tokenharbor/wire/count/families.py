"""Tokenizer families: the ratio of each one's counts to o200k's, and the vendors' overheads."""

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from importlib.resources import files
from typing import Any

import msgspec

from tokenharbor.wire.count.tokenizer import CharacterKinds


class ImageTokens(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The tokens of an image.

    With `side`, it is cut into patches of `side` pixels: `factor` tokens each, at most `most` patches after it was
    scaled down until its longer side has `edge` pixels. With `tile`, it is scaled down into a square of `edge` and to a
    shorter side of `short`, and cut into tiles: `base` tokens plus `each` for a tile. With neither, it always has
    `each` tokens.
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
    """Reasoning that comes back encrypted: tokens per byte of this dialect's notes, after the first `free` bytes."""

    dialect: str
    factor: float
    free: int


class ToolFormat(StrEnum):
    """The format in which a model sees its tools, as inferred from token counts."""

    JSON = "json"  # the schema as it came
    TYPESCRIPT = "typescript"
    DECLARATION = "declaration"  # Gemini's: `declaration:name{description:"…",parameters:{…}}`
    FIELDS = "fields"  # text only; `field` and `nested` cover the syntax around it


class TokenizerFamily(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tokenizer, and the usual overheads of the vendors that use it. `ratio` is its tokens per o200k token;
    `weights` are corrections per character of kinds that it splits more or less finely; `margin` centres the estimates
    in the promised range, 3% under to 20% over.
    """

    picture: ImageTokens
    margin: float = 1.06
    ratio: float = 1
    weights: CharacterKinds = CharacterKinds()
    request: int = 3
    message: int = 4
    system: int = 4  # a system message at the start
    shown: ToolFormat = ToolFormat.JSON
    tools: int = 0  # once, if there are tools
    forced: int = 0  # once, if a call is forced
    tool: int = 0
    field: int = 0  # for each field of a tool's schema
    nested: int = 0  # additionally, for a field that has fields
    call: int = 0
    parallel: int = 0  # additionally, for a message with several calls
    result: int = 0
    format: int = 0  # once, if the answer has a schema
    format_factor: float = 1  # times the schema's own tokens
    thinking: int = 0  # once, if the caller sets a budget
    thought: int = 0  # once, unless reasoning is off
    cited: int = 0  # once, if citations are requested
    file: int = 0  # around a document's text
    remembers: bool = False  # counts the readable reasoning of earlier turns
    opaque: SealedReasoning | None = None
    page: int = 1_000  # for each page of a PDF
    glyph: float = 0  # for each visible character of a PDF
    second: float = 32  # for each second of audio


def _read() -> Mapping[str, TokenizerFamily]:
    tables = tomllib.loads(files(__package__).joinpath("families.toml").read_text("utf-8"))
    return msgspec.convert({name: _whole(table, tables) for name, table in tables.items()}, dict[str, TokenizerFamily])


def _whole(table: Mapping[str, Any], tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the table with the fields that it inherits by `like`."""
    own = {name: value for name, value in table.items() if name != "like"}
    return {**_whole(tables[table["like"]], tables), **own} if "like" in table else own


FAMILIES: Mapping[str, TokenizerFamily] = _read()


def find_family(name: str, wire: str = "") -> TokenizerFamily:
    """Return the family of this name; the variant for the wire, if there is one."""
    return FAMILIES.get(f"{name}@{wire}") or FAMILIES.get(name) or FAMILIES["default"]
