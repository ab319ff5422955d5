"""Tells two people apart, where a second person has to confirm."""

import unicodedata


def is_same_person(one: str, other: str) -> bool:
    """Return whether two names are the same person's, or the other name is empty.

    Case, blanks, invisible characters and Unicode encoding forms make no difference.
    """
    return _plain(other) in (_plain(one), "")


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKC", name).casefold()
    return "".join(each for each in letters if unicodedata.category(each)[0] not in "CZ")
