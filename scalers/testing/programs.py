"""Real servers for tests: where their programs are, and ports for them."""

import os
import shutil
import socket

import pytest

__all__ = ["free_port", "server_program"]


def server_program(name: str) -> str:
    """The path of a server's program. Missing, it skips the test on a laptop and fails it when CI=true."""
    # Debian keeps some servers where only root looks.
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if path is None and os.environ.get("CI") == "true":
        pytest.fail(f"{name} is not installed, and CI may not skip its tests", pytrace=False)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
