"""TokenRequest on the embedded API server: what a real one answers, and refuses."""

import base64
import json
from datetime import datetime

import pytest
from served import served

ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
RUNNER = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "runner"}}
REQUEST = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}


@pytest.fixture
async def client():
    async with served() as client:
        await client.post(ACCOUNTS, RUNNER)
        yield client


def claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


async def test_a_token_says_whose_it_is_and_for_how_long(client):
    status, answer = await client.post(
        f"{ACCOUNTS}/runner/token", REQUEST | {"spec": {"expirationSeconds": 7200}}
    )
    assert status == 201
    assert answer["kind"] == "TokenRequest"
    assert answer["spec"]["expirationSeconds"] == 7200
    found = claims(answer["status"]["token"])
    assert found["sub"] == "system:serviceaccount:default:runner"
    assert found["exp"] - found["iat"] == 7200
    ends = datetime.fromisoformat(answer["status"]["expirationTimestamp"])
    assert ends.timestamp() == found["exp"]


async def test_an_hour_unless_asked_otherwise_and_never_the_same_twice(client):
    tokens = set()
    for _ in range(2):
        _, answer = await client.post(f"{ACCOUNTS}/runner/token", REQUEST)
        assert answer["spec"]["expirationSeconds"] == 3600
        tokens.add(answer["status"]["token"])
    assert len(tokens) == 2


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ({"expirationSeconds": 599}, 422),
        ({"expirationSeconds": 1 << 33}, 422),
        ({"expirationSeconds": "1h"}, 400),
        ("x", 400),
    ],
)
async def test_what_is_refused(client, spec, code):
    status, _ = await client.post(f"{ACCOUNTS}/runner/token", REQUEST | {"spec": spec})
    assert status == code


async def test_of_nobody_and_of_others_there_is_no_token(client):
    assert (await client.post(f"{ACCOUNTS}/ghost/token", REQUEST))[0] == 404
    assert (await client.post("/api/v1/namespaces/default/secrets/runner/token", REQUEST))[0] == 404
    assert (await client.get(f"{ACCOUNTS}/runner/token"))[0] == 405


async def test_it_stands_in_discovery(client):
    _, found = await client.get("/api/v1")
    (entry,) = [each for each in found["resources"] if each["name"] == "serviceaccounts/token"]
    assert (entry["kind"], entry["group"], entry["verbs"]) == (
        "TokenRequest",
        "authentication.k8s.io",
        ["create"],
    )
