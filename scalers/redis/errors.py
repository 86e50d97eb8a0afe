"""What a Redis server's error replies mean to a trigger.

A server may repeat a command's arguments in its error, so replies to commands that carry credentials are told
by their first word only.
"""

from hiredis import ReplyError

from scalers.sdk import InvalidMetadata, ScalerError, Unauthorized, Unavailable

__all__ = ["first_word", "meaning", "refused_login"]

_UNAUTHORIZED = frozenset({"NOAUTH", "WRONGPASS", "NOPERM", "DENIED"})
_CLUSTER = frozenset({"MOVED", "ASK", "CROSSSLOT"})
_LONGEST = 200


def first_word(reply: ReplyError) -> str:
    """The reply's code, such as NOAUTH; the general one is ERR."""
    return str(reply).partition(" ")[0]


def meaning(reply: ReplyError, asked: str) -> ScalerError:
    """The error of a reply to a command without secrets. `asked` says in words what was asked."""
    word, text = first_word(reply), str(reply)[:_LONGEST]
    if word in _UNAUTHORIZED:
        return Unauthorized(f"{asked}: the server does not allow it: {text}")
    if word in _CLUSTER:
        return InvalidMetadata(
            f"{asked}: the server belongs to a Redis Cluster ({word}); use the type redis-cluster or "
            "redis-cluster-streams"
        )
    if "DB index" in text:
        return InvalidMetadata(f"{asked}: {text}; write a databaseIndex that the server has")
    return Unavailable(f"{asked}: {text}")


def refused_login(reply: ReplyError) -> ScalerError:
    """The error of a reply to a command that carried credentials."""
    word = first_word(reply)
    if word == "NOAUTH":
        return Unauthorized("the server wants a password and none was given (NOAUTH)")
    if word == "DENIED":
        return Unauthorized("the server is in protected mode: it accepts only loopback clients (DENIED)")
    if word in _UNAUTHORIZED:
        return Unauthorized(f"the server refused the username or the password ({word})")
    if "max number of clients" in str(reply):
        return Unavailable("the server has as many clients as it allows", connection=True)
    if word in {"LOADING", "MASTERDOWN", "BUSY"}:
        return Unavailable(f"the server is not ready ({word})", connection=True)
    return Unauthorized(f"the server did not accept the login ({word})")
