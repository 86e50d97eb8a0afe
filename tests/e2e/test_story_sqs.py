"""0 → N → 0 with SQS as moto speaks it: signed requests, keys from a Secret, messages that count until they are deleted."""

import pytest
from moto_server import MotoServer
from stories import tell

pytestmark = [pytest.mark.slow, pytest.mark.server]

WORKER = """\
import botocore.session
from botocore.config import Config

sqs = botocore.session.Session().create_client(
    "sqs", region_name="eu-west-1", endpoint_url=env["ENDPOINT"], config=Config(proxies={})
)
while not stopping:
    answer = sqs.receive_message(QueueUrl=env["QUEUE"], MaxNumberOfMessages=1, VisibilityTimeout=600)
    for message in answer.get("Messages", ()):
        work(message["Body"])
        sqs.delete_message(QueueUrl=env["QUEUE"], ReceiptHandle=message["ReceiptHandle"])
    if not answer.get("Messages"):
        time.sleep(0.05)
"""


async def test_aws_sqs_queue(tmp_path):
    with MotoServer() as moto:
        moto.enforce()
        key, secret = moto.keys
        queue = moto.queue("jobs")

        def put(jobs):
            for job in jobs:
                moto.client("sqs").send_message(QueueUrl=queue, MessageBody=job)

        metadata = {"queueURL": queue, "queueLength": "4", "awsRegion": moto.region, "awsEndpoint": moto.url}
        await tell(
            tmp_path,
            {"type": "aws-sqs-queue", "metadata": metadata},
            WORKER,
            put,
            secret={"awsAccessKeyID": key, "awsSecretAccessKey": secret},
            env={
                "ENDPOINT": moto.url, "QUEUE": queue, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret,
            },
        )  # fmt: skip
