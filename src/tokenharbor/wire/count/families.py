"""Tokenizer families: how far each one's counts lie from o200k's, and what vendors add around the words."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files

import msgspec


class Picture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
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


class Unread(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Reasoning that comes back sealed: tokens for each byte of this dialect's notes beyond the first `free`."""

    dialect: str
    factor: float
    free: int


class Family(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tokenizer, and the usual overheads of the vendors that use it. Weights are tokens beside o200k's own;
    `margin` puts the estimates in the middle of what is promised: at most 3% under and 20% over.
    """

    picture: Picture
    margin: float = 1
    fives: float = 0  # a run of five letters
    eights: float = 0  # of eight
    digits: float = 0
    asian: float = 0
    foreign: float = 0
    request: int = 3
    message: int = 4
    system: int = 4  # a system message at the start
    typed_tools: bool = False  # tools are shown to the model as TypeScript, not as JSON
    tools: int = 0  # once, where there are tools
    forced: int = 0  # once more, where one must be called
    tool: int = 0
    call: int = 0
    result: int = 0
    format: int = 0  # once, where a schema is asked for
    format_factor: float = 1  # of the schema's own tokens
    thinking: int = 0  # once, where the caller sets a budget
    opaque: Unread | None = None
    page: int = 1_000  # of a PDF
    second: float = 32  # of sound


def _read() -> Mapping[str, Family]:
    text = files(__package__).joinpath("families.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Family])


FAMILIES: Mapping[str, Family] = _read()


def find_family(name: str) -> Family:
    return FAMILIES.get(name) or FAMILIES["default"]
