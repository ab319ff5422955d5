"""Names that one reader takes for another name: in other case, with brackets, with blanks around them."""

_SHOWN = 60


def fold(name: str) -> str:
    """What a careless reader makes of a name: `Seconds`, `seconds[]` and ` seconds` are all `seconds`."""
    return name.partition("[")[0].strip().casefold()


def meant_by(name: str, known: frozenset[str]) -> str | None:
    """The known name of which this one is another spelling."""
    if name in known:
        return None
    folded = fold(name)
    if folded in known:
        return folded if folded != name else None
    return next((each for each in known if each.casefold() == folded), None)


def shown(name: str) -> str:
    """A caller's own name, as far as an error repeats it."""
    return name[:_SHOWN]
