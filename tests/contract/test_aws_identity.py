"""Whom AWS triggers act as: KEDA's order of credentials, roles, and Tidegate's own identity."""

import asyncio
import gc
import weakref

import pytest
from aiohttp import web
from aws_server import AwsServer
from moto_server import MotoServer

from scalers.aws import credentials
from scalers.aws.identity import Operator, Role, StaticKeys
from scalers.aws_sqs import AwsSqsQueue
from scalers.sdk import Inputs, Unauthorized, Unavailable, parse
from scalers.testing import ContractHost, free_port

SCALER = AwsSqsQueue()
ROLE = "arn:aws:iam::123456789012:role/reader"
PAIR = {"awsAccessKeyID": "AUTH", "awsSecretAccessKey": "auth-secret"}
FROM_ENV = {"awsAccessKeyIDFromEnv": "I", "awsSecretAccessKeyFromEnv": "S"}
ENV = {"I": "ENV", "S": "env-secret"}


def parsed(*, auth=None, identity="", env=ENV, **metadata):
    written = {"queueURL": "q", "awsRegion": "eu-west-1", **metadata}
    about = {"namespace": "shop", "name": "any", "podIdentity": identity}
    return parse(SCALER.metadata, Inputs(metadata=written, env=env, auth=auth or {}, object=about))


def who(**given):
    found = parsed(**given)
    assert found.problems == ()
    return found.value.connection.who


def keys(name, secret, token=""):
    return StaticKeys(access_key_id=name, secret_access_key=secret, session_token=token)


class TestKedasOrder:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ({"auth": PAIR}, keys("AUTH", "auth-secret")),
            ({"auth": {**PAIR, "awsSessionToken": "t"}}, keys("AUTH", "auth-secret", "t")),
            ({"auth": {"awsAccessKeyId": "OLD", "awsSecretAccessKey": "s"}}, keys("OLD", "s")),
            ({"auth": {**PAIR, "awsAccessKeyId": "OLD"}}, keys("AUTH", "auth-secret")),
            # As they are: a line end at the end of a Secret belongs to the key.
            ({"auth": {"awsAccessKeyID": " A", "awsSecretAccessKey": "s\n"}}, keys(" A", "s\n")),
            (FROM_ENV, keys("ENV", "env-secret")),
            ({**FROM_ENV, "awsAccessKeyID": "PLAIN"}, keys("PLAIN", "env-secret")),
            ({**FROM_ENV, "auth": PAIR}, keys("AUTH", "auth-secret")),
            # Half a pair is none, and a token belongs to its pair.
            ({**FROM_ENV, "auth": {"awsAccessKeyID": "AUTH"}}, keys("ENV", "env-secret")),
            (
                {**FROM_ENV, "auth": {"awsSecretAccessKey": "s", "awsSessionToken": "t"}},
                keys("ENV", "env-secret"),
            ),
            ({"auth": {**PAIR, "awsRoleArn": ROLE}}, Role(arn=ROLE)),
            ({"auth": {"awsRoleArn": ROLE, "awsExternalID": "x"}}, Role(arn=ROLE)),
            ({"identityOwner": "pod", "auth": PAIR}, keys("AUTH", "auth-secret")),
            ({"identityOwner": "operator", "auth": {**PAIR, "awsRoleArn": ROLE}}, Operator()),
            ({"identityOwner": "Pod", "auth": PAIR}, Operator()),
            ({"identityOwner": "operator"}, Operator()),
            ({"identity": "aws"}, Operator()),
            ({"identity": "aws", "identityOwner": "pod", "auth": PAIR}, Operator()),
            ({"identity": "aws", "auth": {"awsRoleArn": ROLE}}, Role(arn=ROLE, web_identity=True)),
            (
                {"identity": "aws", "auth": {"awsRoleArn": ROLE, "awsExternalID": "x"}},
                Role(arn=ROLE, external_id="x", web_identity=True),
            ),
            ({"identity": "aws-eks", "auth": {"awsRoleArn": ROLE}}, Role(arn=ROLE)),
            ({"identity": "aws-eks", "auth": PAIR}, keys("AUTH", "auth-secret")),
            ({"identity": "aws-eks", "identityOwner": "operator"}, Operator()),
            ({"identity": "none", "auth": PAIR}, keys("AUTH", "auth-secret")),
            ({"identity": "azure-workload", "auth": PAIR}, keys("AUTH", "auth-secret")),
        ],
    )
    def test_accepted(self, given, expected):
        assert who(**given) == expected

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({}, "no awsAccessKeyID"),
            ({"auth": {"awsSecretAccessKey": "s"}}, "no awsAccessKeyID"),
            ({"auth": {"awsAccessKeyID": "A"}}, "no awsSecretAccessKey"),
            ({"awsAccessKeyID": "A"}, "no awsSecretAccessKey"),
            # A secret in plain sight is never used.
            ({"awsAccessKeyID": "A", "awsSecretAccessKey": "s"}, "no awsSecretAccessKey"),
            ({**FROM_ENV, "env": {"I": "A"}}, "no awsSecretAccessKey"),
            ({**FROM_ENV, "env": {"S": "s", "I": ""}}, "no awsAccessKeyID"),
            ({"awsAccessKeyId": "A", "awsSecretAccessKeyFromEnv": "S"}, "no awsAccessKeyID"),
            ({"identity": "aws-eks"}, "no awsAccessKeyID"),
            ({"identity": "gcp"}, "no awsAccessKeyID"),
        ],
    )
    def test_refused(self, given, words):
        (problem,) = parsed(**given).problems
        assert words in problem.problem
        assert "podIdentity" in problem.mend

    def test_offline_what_only_the_cluster_knows_is_assumed(self):
        for unknown in ({"auth"}, {"auth", "env"}):
            inputs = Inputs(metadata={"queueURL": "q", "awsRegion": "x"}, unknown=frozenset(unknown))
            assert parse(SCALER.metadata, inputs).problems == ()

    def test_only_what_is_used_tells_connections_apart(self):
        def connection(**given):
            return parsed(**given).value.connection

        same = connection(auth=PAIR)
        assert same == connection(auth=PAIR, **FROM_ENV)
        assert same == connection(auth=PAIR, identityOwner="pod")
        assert same != connection(auth={**PAIR, "awsSessionToken": "t"})
        assert same != connection(auth=PAIR, awsRegion="eu-west-2")
        assert same != connection(auth=PAIR, awsEndpoint="http://localhost:4566")
        assert connection(identity="aws") == connection(identityOwner="operator")
        assert connection(identity="aws", auth={"awsRoleArn": ROLE}) != connection(auth={"awsRoleArn": ROLE})

    def test_no_secret_is_shown(self):
        value = parsed(auth={**PAIR, "awsSessionToken": "the-token"}).value
        shown = f"{value!r} {value.connection!r} {value.connection.who!r} {value.connection.describe()}"
        for secret in ("AUTH", "auth-secret", "the-token"):
            assert secret not in shown


@pytest.fixture
async def aws():
    async with AwsServer() as server:
        yield server


@pytest.fixture(autouse=True)
def _clean(monkeypatch, tmp_path):
    """A process to which AWS's chain gives nothing, and no session of an earlier test.

    A thread that is about to end may still hold one, so that collecting garbage would not be enough.
    """
    monkeypatch.setattr(credentials, "_shared", weakref.WeakValueDictionary())
    for name in (
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "AWS_PROFILE",
        "AWS_SESSION_TOKEN",
    ):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))


@pytest.fixture
def operator(monkeypatch, aws):
    """Tidegate has keys of its own, and roles are asked for at the test's server."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "OPERATOR")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "operator-secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws.url)


@pytest.fixture
def token(monkeypatch, tmp_path):
    """EKS has given our process a token."""
    file = tmp_path / "token"
    file.write_text("the-web-token", encoding="utf-8")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(file))
    return file


async def read(*triggers):
    connection = triggers[0].connection
    async with connection.open(ContractHost()) as client, asyncio.timeout(20):
        return [await SCALER.measure(client, trigger) for trigger in triggers]


def role_at(aws, name="reader", *, identity="aws", region="eu-west-1", queue="q", **auth):
    given = {"awsRoleArn": f"arn:aws:iam::123456789012:role/{name}", **auth}
    found = parsed(auth=given, identity=identity, awsEndpoint=aws.url, awsRegion=region, queueURL=queue)
    assert found.problems == ()
    return found.value


@pytest.mark.usefixtures("operator")
class TestRoles:
    async def test_a_role_is_assumed_with_our_own_keys(self, aws):
        await read(role_at(aws, awsExternalID="ext"))
        assume, read_queue = aws.asked
        assert (assume.operation, assume.key) == ("AssumeRole", "OPERATOR")
        assert assume.parameters["RoleArn"] == ROLE
        assert assume.parameters["ExternalId"] == "ext"
        assert read_queue.key.startswith("KEY-reader-")
        assert read_queue.token == "TOKEN-reader"

    async def test_no_external_id_where_the_role_is_no_pod_identitys(self, aws):
        await read(role_at(aws, identity="", awsExternalID="ext"))
        assert "ExternalId" not in aws.asked[0].parameters

    async def test_it_is_assumed_once_for_all_who_use_it(self, aws):
        one = role_at(aws)
        other = parsed(
            auth={"awsRoleArn": ROLE},
            identity="aws",
            awsEndpoint=f"http://localhost:{aws.port}",
        ).value
        assert one.connection != other.connection
        async with one.connection.open(ContractHost()) as first:
            await asyncio.gather(*(SCALER.measure(first, one) for _ in range(20)))
            await read(other)
        assert aws.count("AssumeRole") == 1
        assert aws.count("GetQueueAttributes") == 21

    async def test_nothing_is_kept_that_nobody_uses(self, aws):
        for _ in range(2):
            await read(role_at(aws))
            gc.collect()
        assert aws.count("AssumeRole") == 2

    async def test_different_roles_never_share(self, aws):
        one, two = role_at(aws, "one", queue="q1"), role_at(aws, "two", queue="q2")
        async with (
            one.connection.open(ContractHost()) as first,
            two.connection.open(ContractHost()) as second,
        ):
            for _ in range(3):
                await asyncio.gather(SCALER.measure(first, one), SCALER.measure(second, two))
        used = {
            (asked.parameters["QueueUrl"], asked.token)
            for asked in aws.asked
            if asked.operation == "GetQueueAttributes"
        }
        assert used == {("q1", "TOKEN-one"), ("q2", "TOKEN-two")}

    async def test_it_is_assumed_again_before_it_ends(self, aws):
        aws.minutes = 5
        trigger = role_at(aws)
        await read(trigger, trigger, trigger)
        assert aws.count("AssumeRole") >= 3
        used = [asked.key for asked in aws.asked if asked.operation == "GetQueueAttributes"]
        assert len(set(used)) == 3

    async def test_a_role_that_we_may_not_assume(self, aws):
        body = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>"
        aws.say("AssumeRole", body, status=403)
        with pytest.raises(
            Unauthorized, match=r"the role cannot be assumed.*AccessDenied: not you"
        ) as caught:
            await read(role_at(aws))
        assert not caught.value.connection
        assert not aws.count("GetQueueAttributes")

    async def test_no_answer_from_sts(self, aws, monkeypatch):
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{free_port()}")
        with pytest.raises(Unavailable, match="cannot connect") as caught:
            await read(role_at(aws))
        assert caught.value.connection

    @pytest.mark.usefixtures("token")
    async def test_the_token_of_eks_comes_first(self, aws):
        await read(role_at(aws, awsExternalID="ext"))
        assume, read_queue = aws.asked
        assert (assume.operation, assume.key) == ("AssumeRoleWithWebIdentity", "")
        assert assume.parameters["WebIdentityToken"] == "the-web-token"
        assert assume.parameters["RoleArn"] == ROLE
        assert assume.parameters["RoleSessionName"] == "KEDA"
        assert read_queue.token == "TOKEN-reader"

    async def test_a_rotated_token_is_read_again(self, aws, token):
        aws.minutes = 5
        trigger = role_at(aws)
        async with trigger.connection.open(ContractHost()) as client:
            await SCALER.measure(client, trigger)
            token.write_text("the-next-token", encoding="utf-8")
            await SCALER.measure(client, trigger)
        used = [asked.parameters.get("WebIdentityToken") for asked in aws.asked]
        assert used[0] == "the-web-token"
        assert "the-next-token" in used

    @pytest.mark.parametrize("refused", [True, False])
    async def test_then_our_own_keys(self, aws, token, refused):
        if refused:
            body = (
                b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>x</Message></Error></ErrorResponse>"
            )
            aws.say("AssumeRoleWithWebIdentity", body, status=403)
        else:
            token.unlink()
        await read(role_at(aws))
        assert aws.count("AssumeRole") == 1
        assert aws.asked[-1].token == "TOKEN-reader"

    @pytest.mark.usefixtures("token")
    async def test_without_pod_identity_the_token_does_not_count(self, aws):
        for identity in ("", "aws-eks"):
            aws.asked.clear()
            await read(role_at(aws, f"of-{identity}", identity=identity))
            assert [asked.operation for asked in aws.asked] == ["AssumeRole", "GetQueueAttributes"]

    async def test_the_operator_itself(self, aws):
        await read(parsed(identityOwner="operator", awsEndpoint=aws.url).value)
        assert aws.asked[0].key == "OPERATOR"


class TestOperator:
    async def test_who_is_nobody(self, aws):
        trigger = parsed(identityOwner="operator", awsEndpoint=aws.url).value
        with pytest.raises(Unauthorized, match="Tidegate itself has no AWS credentials"):
            await read(trigger)
        assert not aws.asked

    async def test_credentials_that_come_later_are_found_by_the_same_client(self, aws, monkeypatch):
        trigger = parsed(identityOwner="operator", awsEndpoint=aws.url).value
        async with trigger.connection.open(ContractHost()) as client:
            with pytest.raises(Unauthorized):
                await SCALER.measure(client, trigger)
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "LATE")
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
            assert (await SCALER.measure(client, trigger)).value == 2
        assert aws.asked[0].key == "LATE"

    async def test_eks_pod_identity(self, aws, monkeypatch, tmp_path):
        async def agent(request, asked):
            assert request.headers["Authorization"] == "pod-token"
            found = {
                "AccessKeyId": "POD",
                "SecretAccessKey": "s",
                "Token": "pod-session",
                "Expiration": "2999-01-01T00:00:00Z",
            }
            return web.json_response(found)

        aws.say("/v1/credentials", agent)
        file = tmp_path / "pod"
        file.write_text("pod-token", encoding="utf-8")
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{aws.url}/v1/credentials")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(file))
        await read(parsed(identity="aws", awsEndpoint=aws.url).value)
        assert (aws.asked[-1].key, aws.asked[-1].token) == ("POD", "pod-session")

    async def test_a_broken_profile(self, aws, monkeypatch):
        monkeypatch.setenv("AWS_PROFILE", "nobody-has-this")
        with pytest.raises(Unauthorized, match="nobody-has-this"):
            await read(parsed(identityOwner="operator", awsEndpoint=aws.url).value)


class TestAgainstMoto:
    """moto checks the operator's right to assume the role, and the role's to read the queue."""

    async def test_a_role_with_the_right_and_one_without(self, monkeypatch):
        with MotoServer() as moto:
            moto.enforce()
            moto.queue("orders", 3)
            statement = {"Effect": "Allow", "Action": "sqs:GetQueueAttributes", "Resource": "*"}
            good = moto.role("good", {"Version": "2012-10-17", "Statement": [statement]})
            bad = moto.role(
                "bad", {"Version": "2012-10-17", "Statement": [{**statement, "Action": "sqs:ListQueues"}]}
            )
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", moto.keys[0])
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", moto.keys[1])
            monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto.url)

            def trigger(role):
                auth = {"awsRoleArn": role}
                return parsed(auth=auth, identity="aws", awsEndpoint=moto.url, queueURL="orders").value

            (found,) = await read(trigger(good))
            assert found.value == 3
            with pytest.raises(Unauthorized, match="AccessDenied"):
                await read(trigger(bad))
