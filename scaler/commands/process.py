"""What the commands that run for a while have in common: the loop, signals, exits."""

import asyncio
import gc
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import typer

__all__ = ["USAGE", "Stopped", "calm_gc", "fail", "run"]

USAGE = 2
"""The exit code for a command line that cannot be."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """The command was told to stop, and has cleaned up. `code` is a shell's exit code for the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


def calm_gc() -> None:
    """Spare what is there now, modules and first objects, all further garbage collection, and collect less often.

    It is there for good, and with a thousand objects looking through all of it stops a process for 0.2 to 0.4 s: an HPA waits
    0.5 s. To be called once, when everything is up.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def fail(message: object, code: int = 1) -> typer.Exit:
    """An exit with a message of one line on standard error. An error without words is called by its name."""
    words = " ".join(str(message).split()) or type(message).__name__
    typer.echo(f"tidegate: {words}", err=True)
    return typer.Exit(code)


def run(main: Coroutine[Any, Any, Any]) -> Any:
    """Run a command's coroutine on uvloop where it is installed (the extra `speed`), else on asyncio's own loop.

    Ctrl-C, SIGTERM or a closed terminal cancels it, and raises Stopped once it has ended. A second such signal
    cancels its cleaning up too, which kills what was given time to end; a third ends the process by the signal.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_until_told(main))


async def _until_told(main: Coroutine[Any, Any, Any]) -> Any:
    loop = asyncio.get_running_loop()
    task = loop.create_task(main, name="command")
    told: list[int] = []

    def tell(number: int) -> None:
        if len(told) == 2:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        told.append(number)
        task.cancel()

    # SIGINT is ignored in what a shell started with `&`, and must work there too; an ignored SIGHUP is nohup's.
    heard = [n for n in _SIGNALS if n != signal.SIGHUP or signal.getsignal(n) is not signal.SIG_IGN]
    for number in heard:
        loop.add_signal_handler(number, tell, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not told:
            raise
    finally:
        for number in heard:
            loop.remove_signal_handler(number)
    raise Stopped(told[0])


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - optional
    except ImportError:
        return None
    return uvloop.new_event_loop  # type: ignore[no-any-return]
