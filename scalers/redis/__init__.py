"""The Redis family of triggers: keys and streams of one server, of a cluster, or of a master by sentinels.

The triggers        lists.py (lengths.py reads), streams.py (backlog.py reads)
The keys to connect connection.py, targets.py, tls.py
Who is asked        client.py (one server), sentinel.py, cluster.py (slots.py, batch.py, node.py)
How                 keeper.py keeps a session.py up, which is logged in on a link.py; shared.py, errors.py
Who is told         news.py: which triggers read the keys that changed

A trigger asks a Client in pairs of a key and a command, and knows nothing of what stands behind it.
"""

from scalers.redis.lists import RedisClusterList, RedisList, RedisSentinelList
from scalers.redis.streams import RedisClusterStreams, RedisSentinelStreams, RedisStreams

__all__ = [
    "RedisClusterList",
    "RedisClusterStreams",
    "RedisList",
    "RedisSentinelList",
    "RedisSentinelStreams",
    "RedisStreams",
]
