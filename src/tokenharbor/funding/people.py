"""Who did something, where a second person has to."""


def is_same_person(one: str, other: str) -> bool:
    """Names are compared by neither case nor blanks."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return "".join(name.split()).casefold()
