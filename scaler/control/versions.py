"""Which of two states of an object is the later one, by resourceVersion.

The resourceVersions of one resource are ordered numbers (KEP-5504), also across deletions. Our own writes come
back twice, as their answer and by the watch, and reads may overtake either.
"""

__all__ = ["later"]


def later(one: str, other: str) -> bool:
    """Is `one` the version of a later state than `other`? False for what is no number: the watch is believed then."""
    return one.isdecimal() and other.isdecimal() and int(one) > int(other)
