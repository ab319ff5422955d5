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


def claim_descriptors(workers: int = 1) -> ConnectionBudget:
    """Raise the soft limit to the hard one, and divide what that allows. The limit is of one process, a worker; the
    most connections are of all workers together.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):  # more than the kernel gives anybody: the soft limit stays
        return divide_descriptors(soft, workers)
    return divide_descriptors(hard, workers)


def divide_descriptors(limit: int, workers: int = 1) -> ConnectionBudget:
    """A third for clients, a third for the providers asked for them, and a third for connections kept idle and for
    the built-in provider, whose ends are both here.
    """
    most, most_idle = _MOST_CONNECTIONS // workers, _MOST_IDLE // workers
    if limit == resource.RLIM_INFINITY:
        return ConnectionBudget(most, most_idle)
    third = (limit - min(_RESERVE, limit // 4)) // 3
    return ConnectionBudget(max(1, min(most, third)), max(1, min(most_idle, third // 8)))
