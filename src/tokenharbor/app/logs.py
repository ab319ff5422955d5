"""The log of a server: one JSON object per line, on stderr."""

import logging
import sys
from collections.abc import Mapping
from functools import partial

import structlog
from structlog.typing import EventDict, WrappedLogger


def log_to_stderr(**names: int | str) -> None:
    """Log to stderr; stdout is for people. `names` are added to every line, to identify the process."""
    structlog.configure(
        processors=[
            partial(_name, names),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _name(names: Mapping[str, int | str], _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event.update(names)
    return event
