"""The guards: named properties that two prompts must share before one answer may serve both."""

from collections import Counter
from typing import Final

from tokenharbor.cache.canonical import TWO_MEANINGS
from tokenharbor.cache.similar.reading import WORDS, Reading

_NO_PLACE: Final = frozenset(("and", "best"))  # their position carries no meaning


def disagreement(stored: Reading, new: Reading) -> str | None:
    """Return the name of the first guard that two prompts fail, or None."""
    if stored.literals != new.literals:
        return "literals"
    if stored.marks != new.marks:
        return "marks"
    if stored.owned != new.owned or not _same_persons(stored, new):
        return "persons"
    if _spelled(stored) != _spelled(new):
        return "names"
    if new.reasons and not stored.reasons:
        return "reasons"
    if differ := _differ(stored, new):
        return _named(differ, stored, new)
    mine, other = ([symbol.name for symbol in reading.symbols] for reading in (stored, new))
    return None if _same_order(mine, other) else "order"


def form_of(reading: Reading) -> tuple[object, ...]:
    """Return the canonical form of a prompt. Prompts that pass all guards have equal forms."""
    return (
        sorted(_counted(reading).items()),
        reading.literals,
        reading.marks,
        reading.owned,
        sorted(_spelled(reading)),
    )


def _same_persons(stored: Reading, new: Reading) -> bool:
    if stored.persons == new.persons:
        return True
    return stored.anyone and new.anyone and not (stored.persons and new.persons)


def _spelled(reading: Reading) -> set[str]:
    return {name for name in reading.names if WORDS.is_function(name) or name in TWO_MEANINGS}


def _counted(reading: Reading) -> Counter[str]:
    return Counter(symbol.name for symbol in reading.symbols if symbol.name != "and")


def _differ(stored: Reading, new: Reading) -> Counter[str]:
    mine, other = _counted(stored), _counted(new)
    return (mine - other) + (other - mine)


def _named(differ: Counter[str], stored: Reading, new: Reading) -> str:
    if any(letter.isdigit() for name in differ for letter in name):
        return "numbers"
    if differ.keys() & WORDS.lists["negation"]:
        return "negation"
    if differ.keys() & WORDS.lists["comparison"]:
        return "comparison"
    if differ.keys() & (stored.names | new.names):
        return "names"
    functions = {symbol.name for symbol in (*stored.symbols, *new.symbols) if not symbol.content}
    return "function words" if differ.keys() & functions else "content"


def _same_order(mine: list[str], other: list[str]) -> bool:
    """Return whether words are in the same order, except that the two sides of a comparison may be swapped."""
    if [name for name in mine if name not in _NO_PLACE] == [name for name in other if name not in _NO_PLACE]:
        return True
    if WORDS.lists["either_way"].isdisjoint(mine):
        return False
    while mine and other and mine[0] == other[0]:
        mine, other = mine[1:], other[1:]
    while mine and other and mine[-1] == other[-1]:
        mine, other = mine[:-1], other[:-1]
    for join in ("and", "or"):
        if mine.count(join) == other.count(join) == 1:
            at = mine.index(join)
            return [*mine[at + 1 :], join, *mine[:at]] == other
    return False
