"""Who did something, where a second person has to."""

import unicodedata


def is_same_person(one: str, other: str) -> bool:
    """Names are compared by neither case nor blanks, nor by how their letters are encoded; what cannot be seen is no
    part of a name, and who has no name is nobody else.
    """
    return _plain(other) in (_plain(one), "")


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKC", name).casefold()
    return "".join(each for each in letters if unicodedata.category(each)[0] not in "CZ")
