"""Lookups in the table of routes: the routes of a path, the path that was meant, the dialect of its errors."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from urllib.parse import unquote

from tokenharbor.gateway.nearest_path import nearest_path
from tokenharbor.gateway.routes import PathRoute
from tokenharbor.wire import DEFAULT_DIALECT
from tokenharbor.wire.neutral.dialect import Dialect


class PathTable:
    """The routes by path, of all methods."""

    def __init__(self, routes: Sequence[PathRoute]) -> None:
        self._exact: dict[str, list[PathRoute]] = {}
        self._patterns: dict[
            str, list[tuple[str, PathRoute]]
        ] = {}  # by the text before the name: the text after it, and the route
        self._actions: dict[str, list[str]] = {}  # by the text before the name: the actions after its colon
        self._owners: dict[str, dict[Dialect | None, None]] = {}  # by folder: the dialects whose clients call its paths
        self._dialects = tuple(dict.fromkeys(route.dialect for route in routes if route.dialect is not None))
        for route in routes:
            if route.is_pattern:
                before, _, rest = route.path.partition("{")
                after = rest.partition("}")[2]
                self._patterns.setdefault(before, []).append((after, route))
                if after.startswith(":"):
                    self._actions.setdefault(before, []).append(after[1:])
            else:
                self._exact.setdefault(route.path, []).append(route)
            for folder in _folders(_stem(route)) if route.public else ():
                self._owners.setdefault(folder, {})[route.dialect] = None
        for patterns in self._patterns.values():
            patterns.sort(key=lambda each: -len(each[0]))
        public = [route for route in routes if route.public]
        self._public = [route.path for route in public if not route.is_pattern]
        self._versions = tuple(dict.fromkeys(_version(route) for route in public))
        self._folders = tuple(f"{version}/" for version in self._versions)
        self._action_versions = tuple(dict.fromkeys(_version(route) for route in public if "}:" in route.path))

    def named(self, path: str) -> Iterator[tuple[PathRoute, str]]:
        """Yield the routes with a name in them that match a path, each with the name, the most specific route first.
        The name, and the text after it, may be percent-encoded.
        """
        for before, patterns in self._patterns.items():
            if path.startswith(before):
                rest = unquote(path[len(before) :])
                for after, route in patterns:
                    if len(rest) > len(after) and rest.endswith(after):
                        yield route, rest[: len(rest) - len(after)]

    def at(self, path: str) -> list[PathRoute]:
        """Return all routes that match a path."""
        return self._exact.get(path) or [route for route, _ in self.named(path)]

    def actions(self, path: str) -> Sequence[str]:
        """Return the actions that may follow the colon of a path, or () if it has none or takes none."""
        if ":" not in path:
            return ()
        return next((each for before, each in self._actions.items() if path.startswith(before)), ())

    def is_public(self, path: str) -> bool:
        """Return whether a path is under a version prefix of the data plane, served or not."""
        return path.startswith(self._folders)

    def nearest(self, path: str) -> str | None:
        """Return the data plane's path that a client may have meant, or None."""
        return nearest_path(path, self._serves, self._public, self._action_versions if ":" in path else self._versions)

    def _serves(self, path: str) -> bool:
        return any(route.public for route in self.at(path))

    def dialect_of(self, path: str, headers: Collection[bytes] = ()) -> Dialect:
        """Return the dialect of a path's errors: the one whose clients call the path or its folder. If clients of
        several dialects call it, decide by `headers` (names in lower case) that only one dialect's clients send.
        """
        at = self.at(path)
        if at and at[0].dialect is not None:
            return at[0].dialect
        folders = () if path in self._exact else _folders(path)
        owners = next((self._owners[folder] for folder in folders if folder in self._owners), {})
        own = [dialect for dialect in owners if dialect is not None]
        if len(own) == 1 and (None not in owners or own[0].key_header in headers):
            return own[0]
        by_header = (dialect for dialect in self._dialects if not dialect.forwarded_headers.isdisjoint(headers))
        return next(by_header, DEFAULT_DIALECT)


def _stem(route: PathRoute) -> str:
    """Return the path before the name."""
    return route.path.partition("{")[0].rstrip("/")


def _version(route: PathRoute) -> str:
    return "/" + route.path.split("/")[1]


def _folders(path: str) -> Iterable[str]:
    """Yield the path and the folders that it is in, the innermost first."""
    while path:
        yield path
        path = path.rpartition("/")[0]
