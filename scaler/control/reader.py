"""The only place that calls a scaler's reads, and so the only one that meets whatever a scaler may raise.

Every answer is a tuple of readings or a ScalerError. What is no ScalerError becomes Unavailable with the
exception's type, message and place; secrets of the metadata and connection are cut out of the message, since
a library may have put them there.
"""

import asyncio
import functools
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any, TypeGuard

from scaler.clock import Clock
from scalers.sdk import Batches, Metadata, NoData, Reading, Scaler, ScalerError, Unavailable, declared_keys

__all__ = ["Answer", "TimedOut", "failure", "read", "reads_many", "secrets_of"]

Answer = tuple[Reading, ...] | ScalerError

_LONGEST = 300
_USERINFO = re.compile(r"(?<=://)[^/@\s]+(?=@)")


class TimedOut(Unavailable):
    """Our own deadline ended the call; the server may have said nothing at all."""


def reads_many(scaler: object) -> TypeGuard[Batches]:
    """Can this scaler read a batch at once? Asked for every read, and the protocol's own check is slow."""
    kind: Any = type(scaler)  # mypy takes a class's __hash__ for its instances'.
    return _reads_many(kind)


@functools.cache
def _reads_many(kind: Any) -> bool:
    return issubclass(kind, Batches)


async def read(
    clock: Clock, client: Any, scaler: Scaler[Any, Any], batch: Sequence[Metadata]
) -> list[Answer] | ScalerError:
    """One answer per metadata, in order, or one error for the whole call. Raises nothing but cancellation.

    A scaler without `measure_many` is given one metadata. Takes at most the scaler's `timeout`, in real
    seconds.
    """
    seconds = scaler.timeout
    try:
        async with clock.deadline(seconds) as deadline:
            if reads_many(scaler):
                answers = list(await scaler.measure_many(client, batch))
            else:
                answers = [await scaler.measure(client, batch[0])]
    except BaseException as error:  # noqa: BLE001 - this is the place where anything becomes a ScalerError
        if isinstance(error, TimeoutError) and deadline.expired():
            return TimedOut(f"did not answer within {seconds:g} s")
        return failure(error, *batch)
    if len(answers) != len(batch):
        return Unavailable(
            f"{_name(scaler)}.measure_many gave {len(answers)} answers to {len(batch)} queries"
        )
    return [_checked(scaler, answer) for answer in answers]


def failure(error: BaseException, *declared: Any) -> ScalerError:
    """The ScalerError that stands for what a plugin raised. Re-raises what is meant for the task or process.

    `declared` are the Metadata or Connections whose secrets must not be repeated.
    """
    if isinstance(error, ScalerError):
        return _bare(error)
    if isinstance(error, KeyboardInterrupt | GeneratorExit):
        raise error
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise error
        return Unavailable("the read was cancelled from within the scaler")
    text = _clean(error, declared)
    if isinstance(error, TimeoutError):
        return Unavailable(f"timed out: {text}" if text else "timed out")
    return Unavailable(": ".join(filter(None, (type(error).__name__, text))) + _place(error))


def secrets_of(declared: Any) -> Iterator[str]:
    """The values that a Metadata or Connection calls secret, those of its connection included."""
    try:
        keys = declared_keys(type(declared))
    except (TypeError, NameError):  # No dataclass, or one whose annotations cannot be resolved.
        return
    for attribute, key in keys:
        value = getattr(declared, attribute, None)
        if key.secret and value:
            yield str(value)
    connection = getattr(declared, "connection", None)
    if connection is not None:
        yield from secrets_of(connection)


def _checked(scaler: Scaler[Any, Any], answer: object) -> Answer:
    if isinstance(answer, Reading):
        return (answer,)
    if isinstance(answer, ScalerError):
        return _bare(answer)
    if not isinstance(answer, Sequence) or not all(isinstance(reading, Reading) for reading in answer):
        return Unavailable(f"{_name(scaler)} answered {type(answer).__name__}, which is no Reading")
    return tuple(answer) or NoData(f"{_name(scaler)} answered no reading at all")


def _bare(error: ScalerError) -> ScalerError:
    """Without its traceback, which would keep client and batch alive as long as the error is known."""
    error.__cause__ = error.__context__ = error.__traceback__ = None
    return error


def _name(scaler: object) -> str:
    return type(scaler).__name__


def _clean(error: BaseException, declared: Sequence[Any]) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an exception that cannot even be printed is still only one trigger's
        return "its message cannot be printed"
    for secret in sorted({secret for one in declared for secret in secrets_of(one)}, key=len, reverse=True):
        text = text.replace(secret, "***")
    text = " ".join(_USERINFO.sub("***", text).split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


def _place(error: BaseException) -> str:
    """Where it was raised. Also forgets how it got here: one that is raised again and again would grow."""
    trace, error.__traceback__ = error.__traceback__, None
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f" ({PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno})"
