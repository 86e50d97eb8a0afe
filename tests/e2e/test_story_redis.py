"""0 → N → 0 with Redis in its other shapes: a stream's consumer group, a cluster of three masters, a master by its sentinel."""

import pytest
from redis_families import RedisCluster, RedisSentinel
from redis_server import RedisServer
from stories import PASSWORD, tell

pytestmark = [pytest.mark.slow, pytest.mark.server]

STREAM = """\
from redis import Redis

redis = Redis(port=int(env["PORT"]), password=env["PASSWORD"], decode_responses=True)
while not stopping:
    for _, entries in redis.xreadgroup("workers", str(os.getpid()), {"jobs": ">"}, count=1, block=200):
        for number, fields in entries:
            work(fields["job"])
            redis.xack("jobs", "workers", number)
"""

LIST = """\
mine = "{jobs}:" + str(os.getpid())
while not stopping:
    if job := redis.rpoplpush("{jobs}", mine):
        work(job)
        redis.lrem(mine, 1, job)
    else:
        time.sleep(0.05)
"""

CLUSTER = f"""\
from redis import RedisCluster

redis = RedisCluster("127.0.0.1", int(env["PORT"]), password=env["PASSWORD"], decode_responses=True)
{LIST}"""

SENTINEL = f"""\
from redis import Sentinel

places = [("127.0.0.1", int(env["PORT"]))]
keeper = Sentinel(places, password=env["PASSWORD"], decode_responses=True)
redis = keeper.master_for("main")
{LIST}"""


async def test_redis_streams(tmp_path):
    with RedisServer("--requirepass", PASSWORD, password=PASSWORD) as redis:
        redis.cli("XGROUP", "CREATE", "jobs", "workers", "$", "MKSTREAM")

        def put(jobs):
            for job in jobs:
                redis.cli("XADD", "jobs", "*", "job", job)

        metadata = {"address": redis.address, "stream": "jobs", "consumerGroup": "workers", "lagCount": "4"}
        await tell(
            tmp_path,
            {"type": "redis-streams", "metadata": metadata},
            STREAM,
            put,
            secret={"password": PASSWORD},
            env={"PORT": redis.port, "PASSWORD": PASSWORD},
        )
        assert redis.cli("XPENDING", "jobs", "workers")[0] == 0, "every entry is acknowledged"


async def test_redis_cluster(tmp_path):
    with RedisCluster("--requirepass", PASSWORD, "--masterauth", PASSWORD, password=PASSWORD) as cluster:
        metadata = {"addresses": cluster.addresses, "listName": "{jobs}", "listLength": "4"}
        await tell(
            tmp_path,
            {"type": "redis-cluster", "metadata": metadata},
            CLUSTER,
            lambda jobs: cluster.cli("LPUSH", "{jobs}", *jobs),
            secret={"password": PASSWORD},
            env={"PORT": cluster.nodes[0].port, "PASSWORD": PASSWORD},
        )
        assert cluster.cli("EXISTS", "{jobs}") == 0


async def test_redis_sentinel(tmp_path):
    with (
        RedisServer("--requirepass", PASSWORD, password=PASSWORD) as master,
        RedisSentinel(
            {"main": (master.host, master.port)}, f"sentinel auth-pass main {PASSWORD}"
        ) as sentinel,
    ):
        metadata = {
            "addresses": sentinel.address,
            "sentinelMaster": "main",
            "listName": "{jobs}",
            "listLength": "4",
        }
        await tell(
            tmp_path,
            {"type": "redis-sentinel", "metadata": metadata},
            SENTINEL,
            lambda jobs: master.cli("LPUSH", "{jobs}", *jobs),
            secret={"password": PASSWORD},
            env={"PORT": sentinel.port, "PASSWORD": PASSWORD},
        )
        assert master.cli("KEYS", "*") == []
