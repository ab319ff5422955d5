"""File descriptors: raises the process's limit, and divides it among connections so that it cannot run out."""

import resource
from dataclasses import dataclass

_MOST_CONNECTIONS = 10_000
_MOST_IDLE = 256
_RESERVE = 256  # for the database, files and listeners


@dataclass(frozen=True, slots=True)
class ConnectionBudget:
    """The most client connections at once, and the most idle connections kept open to each provider."""

    connections: int
    idle_per_origin: int


def claim_descriptors(workers: int = 1) -> ConnectionBudget:
    """Raise the soft limit to the hard limit, and divide it. The limit applies to each process (worker); the
    maximums of connections apply to all workers together.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):  # the hard limit exceeds the kernel's maximum: keep the soft limit
        return divide_descriptors(soft, workers)
    return divide_descriptors(hard, workers)


def divide_descriptors(limit: int, workers: int = 1) -> ConnectionBudget:
    """Divide a limit: a third for clients, a third for calls to providers, and a third for idle connections and for
    the built-in provider, both ends of whose connections are in this process.
    """
    most, most_idle = _MOST_CONNECTIONS // workers, _MOST_IDLE // workers
    if limit == resource.RLIM_INFINITY:
        return ConnectionBudget(most, most_idle)
    third = (limit - min(_RESERVE, limit // 4)) // 3
    return ConnectionBudget(max(1, min(most, third)), max(1, min(most_idle, third // 8)))
