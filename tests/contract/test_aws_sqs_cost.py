"""What SQS triggers cost, counted at the server: never more calls than KEDA makes for the same objects."""

import asyncio

from aws_server import AwsServer

from scaler.control.sources import Sources, TriggerKey, Wanted
from scalers.aws_sqs import AwsSqsQueue, requests_a_month
from scalers.sdk import Inputs, parse
from scalers.testing import ContractHost

SCALER = AwsSqsQueue()
POLL, SYNC, MINUTES = 30.0, 15.0, 10


def wanted(uid, endpoint, queue):
    inputs = Inputs(
        metadata={"queueURL": queue, "awsRegion": "eu-west-1", "awsEndpoint": endpoint},
        auth={"awsAccessKeyID": "a", "awsSecretAccessKey": "s"},
    )
    metadata = parse(SCALER.metadata, inputs).value
    return Wanted(key=TriggerKey(uid, 0), scaler=SCALER, metadata=metadata, interval=POLL)


async def test_polls_and_the_hpas_questions_share_their_reads(fake_clock, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    results = {}
    keys = [TriggerKey(uid, 0) for uid in ("one", "same", "other")]
    async with AwsServer() as aws:
        sources = Sources(
            fake_clock, lambda key, result: results.setdefault(key, []).append(result), host=ContractHost()
        )
        for key, queue in zip(keys, ("orders", "orders", "mails"), strict=True):
            sources.want(key.uid, [wanted(key.uid, aws.url, queue)])

        async def answered(number):
            async with asyncio.timeout(20):
                while min(len(results.get(key, ())) for key in keys) < number:  # noqa: ASYNC110 - a real server's
                    await asyncio.sleep(0.001)

        await fake_clock.advance(0.1)
        await answered(1)
        for sync in range(int(MINUTES * 60 / SYNC)):
            await fake_clock.advance(SYNC)
            assert fake_clock.monotonic() - results[keys[0]][-1].at > SCALER.freshness
            refresh = asyncio.ensure_future(sources.refresh(keys))
            await fake_clock.advance(0.01)
            async with asyncio.timeout(20):
                await refresh
            await answered(sync + 2)
        assert not [result for found in results.values() for result in found if result.error]
        counted = {
            queue: sum(one.parameters["QueueUrl"] == queue for one in aws.asked)
            for queue in ("orders", "mails")
        }
        await sources.close()
    ours, kedas = (a_month * MINUTES / (30 * 24 * 60) for a_month in requests_a_month(POLL, hpa_sync=SYNC))
    assert counted == {"orders": 1 + ours, "mails": 1 + ours}
    assert sum(counted.values()) < 3 * kedas
