"""The `aws-sqs-queue` trigger against moto's server, which checks signatures and rights here."""

import pytest
from moto_server import MotoServer

from scalers.sdk import Inputs, InvalidMetadata, NotFound, Unauthorized
from scalers.testing import ServerContract

REGION = MotoServer.region


@pytest.fixture(scope="class")
def moto():
    """A server that everybody may use, with the right keys."""
    with MotoServer() as server:
        server.enforce()
        yield server


class TestAwsSqs(ServerContract):
    trigger_type = "aws-sqs-queue"
    # Four at work: moto hangs up after each answer, and the proxy still counts those that are ending.
    connections = 10

    @pytest.fixture(autouse=True)
    def _server(self, moto):
        self.moto = moto
        self.server = (moto.host, moto.port)

    def inputs_at(self, name, host, port):
        return self.written(name, *self.moto.keys, host=host, port=port)

    def wrong_inputs_at(self, name, host, port):
        return self.written(name, self.moto.keys[0], self.wrong_secret, host=host, port=port)

    async def put(self, name, number):
        self.moto.queue(name, number)

    def written(self, name, key, secret, *, host=None, port=None, auth=None, **metadata):
        endpoint = f"http://{host or self.moto.host}:{port or self.moto.port}"
        return Inputs(
            metadata={"queueURL": name, "awsRegion": REGION, "awsEndpoint": endpoint, **metadata},
            auth={"awsAccessKeyID": key, "awsSecretAccessKey": secret, **(auth or {})},
        )

    def trigger(self, name, **metadata):
        return self.metadata(self.written(name, *self.moto.keys, **metadata))

    async def value(self, trigger):
        async with trigger.connection.open(self.host()) as client:
            return (await self.read(client, trigger)).value

    async def test_which_messages_count(self):
        name = self.fresh_name()
        url = self.moto.queue(name, 7)
        self.moto.receive(url, 3)
        for _ in range(2):
            self.moto.client("sqs").send_message(QueueUrl=url, MessageBody="later", DelaySeconds=600)
        expected = {
            (): 7,
            (("scaleOnInFlight", "false"),): 4,
            (("scaleOnDelayed", "true"),): 9,
            (("scaleOnInFlight", "F"), ("scaleOnDelayed", "T")): 6,
        }
        for options, number in expected.items():
            assert await self.value(self.trigger(url, **dict(options))) == number

    async def test_a_queue_by_its_url_and_by_its_name(self):
        name = f"{self.fresh_name()}.fifo"
        url = self.moto.client("sqs").create_queue(QueueName=name, Attributes={"FifoQueue": "true"})[
            "QueueUrl"
        ]
        self.moto.client("sqs").send_message(
            QueueUrl=url, MessageBody="x", MessageGroupId="g", MessageDeduplicationId="d"
        )
        other = f"https://sqs.{REGION}.amazonaws.com/123456789012/{name}"
        for written in (name, url, other):
            assert await self.value(self.trigger(written)) == 1

    async def test_a_queue_that_does_not_exist_is_its_own_problem(self):
        name, missing = self.fresh_name(), self.fresh_name()
        self.moto.queue(name, 1)
        there, not_there = self.trigger(name), self.trigger(missing)
        assert there.connection == not_there.connection
        async with there.connection.open(self.host()) as client:
            with pytest.raises(NotFound, match=f"{missing} does not exist") as caught:
                await self.read(client, not_there)
            assert not caught.value.connection
            assert caught.value.reason == "SourceNotFound"
            assert (await self.read(client, there)).value == 1

    async def test_an_unknown_user(self):
        trigger = self.metadata(self.written(self.fresh_name(), "AKIANOBODYNOBODYNOB", "secret-of-nobody"))
        with pytest.raises(Unauthorized, match="InvalidClientTokenId") as caught:
            await self.value(trigger)
        assert "nobody" not in str(caught.value).lower().replace(trigger.queue_url, "")

    async def test_the_one_right_that_is_needed(self):
        name = self.fresh_name()
        self.moto.queue(name, 2)

        def rights(*actions):
            statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
            return {"Version": "2012-10-17", "Statement": [statement]}

        may = self.moto.user(self.fresh_name(), rights("sqs:GetQueueAttributes"))
        may_not = self.moto.user(self.fresh_name(), rights("sqs:ListQueues"))
        assert await self.value(self.metadata(self.written(name, *may))) == 2
        with pytest.raises(Unauthorized, match="AccessDenied"):
            await self.value(self.metadata(self.written(name, *may_not)))

    async def test_temporary_keys_need_their_token(self):
        name = self.fresh_name()
        self.moto.queue(name, 2)
        role = self.moto.role(self.fresh_name())
        found = self.moto.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        keys = (found["AccessKeyId"], found["SecretAccessKey"])
        token = {"awsSessionToken": found["SessionToken"]}
        assert await self.value(self.metadata(self.written(name, *keys, auth=token))) == 2
        with pytest.raises(Unauthorized):
            await self.value(self.metadata(self.written(name, *keys)))

    async def test_keys_are_used_as_they_are(self):
        """KEDA's rule: a line end in a Secret is part of the key. We say so instead of failing darkly."""
        name = self.fresh_name()
        self.moto.queue(name, 2)
        key, secret = self.moto.keys
        for wrong, words in (
            ((f"{key}\n", secret), "awsAccessKeyID has white space around it"),
            ((key, f"{secret}\n"), "awsSecretAccessKey has white space around it"),
        ):
            with pytest.raises(Unauthorized, match=words) as caught:
                await self.value(self.metadata(self.written(name, *wrong)))
            assert secret not in str(caught.value)
            assert key not in str(caught.value)

    async def test_a_wrong_region_is_named(self):
        trigger = self.trigger(self.fresh_name(), awsRegion="eu west 1")
        with pytest.raises(InvalidMetadata, match="eu west 1"):
            await self.value(trigger)
