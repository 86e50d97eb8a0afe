"""The load of the busy phase, a process of its own: every list is pushed to and popped from, so many times a second.

    python _load.py PORT SECONDS RATE LIST...

Each round pushes one item to every list in one pipeline and, half a round later, takes one from each in another. So
there is work to be seen half of the time. Prints one JSON object: the commands sent, the rounds and the seconds they took.
"""

import json
import socket
import sys
import time

__all__: list[str] = []


def main(port: int, seconds: float, rate: float, lists: list[str]) -> None:
    push = b"".join(_command("RPUSH", name, "job") for name in lists)
    pop = b"".join(_command("LPOP", name) for name in lists)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began, rounds = time.monotonic(), 0
        while time.monotonic() - began < seconds:
            _sleep_until(began + rounds / rate)
            _ask(connection, push, len(lists))  # `:1`
            _sleep_until(began + (rounds + 0.5) / rate)
            _ask(connection, pop, 2 * len(lists))  # `$3` and the item
            rounds += 1
        took = time.monotonic() - began
    print(json.dumps({"commands": 2 * rounds * len(lists), "rounds": rounds, "seconds": took}))


def _command(*words: str) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words)


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def _ask(connection: socket.socket, pipeline: bytes, lines: int) -> None:
    """Send commands and read as many lines as their replies have."""
    connection.sendall(pipeline)
    while lines > 0:
        piece = connection.recv(1 << 20)
        if not piece:
            raise SystemExit("redis closed the connection")
        if b"-" in piece:
            raise SystemExit(f"redis refused: {piece[:200]!r}")
        lines -= piece.count(b"\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), sys.argv[4:])
