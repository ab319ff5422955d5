"""Finds the served path that a client meant by an unknown one, such as a path with a wrong or missing version."""

import difflib
from collections.abc import Callable, Collection, Iterator, Sequence

_LONGEST = 200
_MOST_SEGMENTS = 12
_ALIKE = 0.8


def nearest_path(
    path: str, is_served: Callable[[str], bool], served: Collection[str], versions: Sequence[str]
) -> str | None:
    """Return the served path nearest to `path`, or None. `served` has the served paths without a name in them.
    `versions` has the prefixes that a client may have left out, the likeliest first.
    """
    if len(path) > _LONGEST:
        return None
    for spelt in (path, path.lower()):
        found = next((each for each in _ends(spelt, versions) if each != path and is_served(each)), None)
        if found is not None:
            return found
    return next(iter(difflib.get_close_matches(path, served, 1, _ALIKE)), None)


def _ends(path: str, versions: Sequence[str]) -> Iterator[str]:
    """Yield the path from each of its segments on, the longest first, each also with every version before it."""
    segments = [segment for segment in path.split("/") if segment][-_MOST_SEGMENTS:]
    for start in range(len(segments)):
        rest = "/" + "/".join(segments[start:])
        yield rest
        yield from (version + rest for version in versions)
