"""Parameters from files of the controller's own: JSON objects below one fixed directory, read again as long as they are used.

Whoever may write a ClusterTriggerAuthentication must not be able to read anything else of this machine: no absolute path, no
`..`, no link that leads out, nothing but regular files of bounded size. Links within the directory are fine, since mounted
Secrets are made of them.
"""

import asyncio
import json
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from scaler.clock import Clock
from scaler.control.references import Ref

__all__ = ["FileRefused", "Files"]

_LOOK = 2.0
"""Seconds between two looks at a file in use."""
_LARGEST = 1 << 20


class FileRefused(Exception):
    """The file cannot be used; the message says why and nothing of its content."""


class Files:
    """See the module. `root` None: there is no such directory. `changed` is told when a file's content changed."""

    def __init__(self, root: str | None, clock: Clock, *, changed: Callable[[Ref], None]) -> None:
        self._root = root
        self._clock = clock
        self._changed = changed
        self._known: dict[Ref, Mapping[str, str] | str] = {}
        """By file its content, or why it cannot be used."""
        self._looking: asyncio.Task[None] | None = None

    async def get(self, ref: Ref) -> Mapping[str, str]:
        """The file's parameters, followed from now on. Raises FileRefused."""
        if ref not in self._known:
            self._known[ref] = await asyncio.to_thread(_look, self._root, ref.name)
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._follow(), name="follow files")
        known = self._known[ref]
        if isinstance(known, str):
            raise FileRefused(known)
        return known

    def forget(self, ref: Ref) -> None:
        """Nobody uses it any more."""
        self._known.pop(ref, None)

    async def close(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _follow(self) -> None:
        failed: set[Ref] = set()
        while True:
            await self._clock.sleep(_LOOK)
            for ref, before in tuple(self._known.items()):
                now = await asyncio.to_thread(_look, self._root, ref.name)
                if isinstance(now, str) and isinstance(before, Mapping) and ref not in failed:
                    failed.add(
                        ref
                    )  # Perhaps it is just being written: what was good stays so until the next look.
                    continue
                failed.discard(ref)
                if now != before and ref in self._known:
                    self._known[ref] = now
                    self._changed(ref)


def _look(root: str | None, path: str) -> Mapping[str, str] | str:
    try:
        return read(root, path)
    except FileRefused as error:
        return str(error)


def read(root: str | None, path: str) -> Mapping[str, str]:
    """The JSON object of texts in the file. Raises FileRefused."""
    if not root:
        raise FileRefused("no directory of files is set; start Tidegate with --filepath-auth-root")
    if path.startswith("/") or ".." in PurePosixPath(path).parts or "\0" in path:
        raise FileRefused("must be a path below the directory, without `..`")
    try:
        data = _inside(Path(root), path)
    except UnicodeEncodeError:
        raise FileRefused("is no text that a path can be") from None
    except OSError as error:
        raise FileRefused(f"cannot be read: {os.strerror(error.errno or 0)}") from None
    except RuntimeError:  # What pathlib makes of links in a circle.
        raise FileRefused("is a link that leads nowhere") from None
    return _texts(data)


def _inside(root: Path, path: str) -> bytes:
    """The content of a regular file whose real place is below the real place of `root`."""
    real, home = (root / path).resolve(), root.resolve()
    if home not in real.parents:
        raise FileRefused("leads out of the directory")
    descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise FileRefused("is no regular file")
        # A link put in the place of a folder meanwhile would show here.
        if (root / path).resolve() != real or not os.path.samestat(found, real.lstat()):
            raise FileRefused("was exchanged while it was read")
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise FileRefused(f"is larger than {_LARGEST} bytes")
    return data


def _texts(data: bytes) -> Mapping[str, str]:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        raise FileRefused("is no JSON") from None
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        raise FileRefused("is no JSON object of texts")
    try:
        "".join((*content, *content.values())).encode()
    except UnicodeEncodeError:  # JSON can write halves of a character.
        raise FileRefused("is no JSON object of texts: it holds half a character") from None
    return content
