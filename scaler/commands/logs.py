"""Logs on standard error: for a person at a terminal, else one JSON object a line. Standard output is for results."""

import logging
import sys
from typing import Any, Literal

import structlog

__all__ = ["Level", "configure"]

Level = Literal["debug", "info", "warning", "error"]


def configure(level: Level) -> None:
    """Show our events from `level` up, and what libraries say by way of `logging` when it is at least a warning."""
    terminal = sys.stderr.isatty()
    renderer: Any = structlog.processors.JSONRenderer()
    if terminal:
        # The default shows the values of local variables below a traceback: they may be secret.
        renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            *([] if terminal else [structlog.processors.format_exc_info]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Forward()], level=max(number, logging.WARNING), force=True)


class _Forward(logging.Handler):
    """Libraries' records, as events of ours. Their exceptions keep their traceback."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record."""
        log = structlog.get_logger(record.name)
        log.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)
