"""What the commands that run for a while have in common: the loop, signals, logs, exits."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
import typer

__all__ = ["USAGE", "fail", "logs", "run", "stop_signal"]

USAGE = 2
"""The exit code for a command line that cannot be."""


def fail(message: str, code: int = 1) -> typer.Exit:
    """An exit with a message on standard error."""
    typer.echo(f"tidegate: {message}", err=True)
    return typer.Exit(code)


def logs(level: str = "info") -> None:
    """Structured logs on standard error: for a person at a terminal, else JSON lines."""
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise typer.BadParameter(f"{level}: write debug, info, warning or error", param_hint="--log-level")
    terminal = sys.stderr.isatty()
    renderer: Any = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
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


def run(main: Coroutine[Any, Any, Any], debug: bool = False) -> Any:  # noqa: FBT001, FBT002 - asyncio's own word
    """Run a command's coroutine on uvloop where it is installed (the extra `speed`), else on asyncio's own loop."""
    with asyncio.Runner(debug=debug, loop_factory=_loop_factory()) as runner:
        return runner.run(main)


def stop_signal() -> asyncio.Event:
    """An event that Ctrl-C or SIGTERM sets; a second one ends the process the hard way."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask(number: int) -> None:
        loop.remove_signal_handler(number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask, number)
    return stop


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - optional
    except ImportError:
        return None
    return uvloop.new_event_loop  # type: ignore[no-any-return]
