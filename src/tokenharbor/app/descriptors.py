"""File descriptors: the process's limit is raised, and what it leaves is divided before it can run out."""

import resource
from dataclasses import dataclass

_MOST_CONNECTIONS = 10_000
_MOST_IDLE = 256
_RESERVE = 256  # for the database, files and listeners


@dataclass(frozen=True, slots=True)
class ConnectionBudget:
    """Clients' connections at once, and idle connections kept open to each provider."""

    connections: int
    idle_per_origin: int


def claim_descriptors() -> ConnectionBudget:
    """Raise the soft limit to the hard one, and divide what that allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):  # more than the kernel gives anybody: the soft limit stays
        return divide_descriptors(soft)
    return divide_descriptors(hard)


def divide_descriptors(limit: int) -> ConnectionBudget:
    """A third for clients, a third for the providers asked for them, and a third for connections kept idle and for
    the built-in provider, whose ends are both here.
    """
    if limit == resource.RLIM_INFINITY:
        return ConnectionBudget(_MOST_CONNECTIONS, _MOST_IDLE)
    third = (limit - min(_RESERVE, limit // 4)) // 3
    return ConnectionBudget(max(1, min(_MOST_CONNECTIONS, third)), max(1, min(_MOST_IDLE, third // 8)))
