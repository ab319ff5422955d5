"""The log of a server: one JSON object a line, on stderr."""

import logging
import sys
from functools import partial

import structlog
from structlog.typing import EventDict, WrappedLogger


def log_to_stderr(worker: int | None = None) -> None:
    """Log there, for stdout is what people read. `worker`: its number, where there are several."""
    naming = [] if worker is None else [partial(_name, worker)]
    structlog.configure(
        processors=[
            *naming,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _name(worker: int, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["worker"] = worker
    return event
