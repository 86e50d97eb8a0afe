"""The Redis family of triggers. Now: `redis`, a key of one server (lists, sorted sets, sets, hashes).

connection.py  the keys that connect, and which endpoints are the same
tls.py         certificates and keys from text
link.py        one connection: replies in order, pushes at any time
session.py     logged in, and told of changes where the server can
client.py      what the triggers of a Source share: one session, kept up; who is told of which key
lengths.py     how many items keys hold, whatever their type
errors.py      what error replies mean
scaler.py      the trigger
"""

from scalers.redis.scaler import RedisList

__all__ = ["RedisList"]
