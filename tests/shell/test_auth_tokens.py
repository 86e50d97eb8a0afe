"""Tokens of ServiceAccounts: shared, renewed in time, and kept while they are good whatever the API server says."""

import asyncio
import json

import pytest
from fake_clock import FakeClock
from scripted_api import ScriptedApi, answers, fails, until

from scaler.control.references import Ref
from scaler.control.tokens import Tokens
from scaler.kube.client import Kube
from scaler.kube.errors import Forbidden, KubeError, NotFound

PATH = "/api/v1/namespaces/shop/serviceaccounts/runner/token"
RUNNER = Ref("Token", "shop", "runner")


class Scene:
    def __init__(self, api, clock):
        self.api = api
        self.clock = clock
        self.changed = []
        self.kube = Kube(api.access, clock)
        self.tokens = Tokens(self.kube, clock, seconds=3600, changed=self.changed.append)

    def grant(self, token, life=None):
        spec = {} if life is None else {"expirationSeconds": life}
        self.api.paths[PATH] = answers(
            201, {"kind": "TokenRequest", "spec": spec, "status": {"token": token}}
        )

    def refuse(self, code, reason):
        self.api.paths[PATH] = fails(code, reason)

    @property
    def asked(self):
        return self.api.asked("POST")

    async def pass_until(self, condition, seconds, step=4):
        """Let at most so many seconds pass, with time for the network, until it holds."""
        for _ in range(int(seconds / step) + 1):
            if condition():
                return
            await self.clock.advance(step)
            await asyncio.sleep(0.01)
        assert condition()


@pytest.fixture
async def scene():
    api = await ScriptedApi().start()
    scene = Scene(api, FakeClock())
    scene.grant("first")
    yield scene
    await scene.tokens.close()
    await scene.kube.close()
    await api.stop()
    await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})


async def test_one_token_for_all_who_name_the_account(scene):
    assert await asyncio.gather(*(scene.tokens.get(RUNNER) for _ in range(20))) == ["first"] * 20
    (request,) = scene.asked
    body = json.loads(request.body)
    assert (body["kind"], body["spec"]) == ("TokenRequest", {"expirationSeconds": 3600})


async def test_it_is_renewed_while_it_is_still_good(scene):
    await scene.tokens.get(RUNNER)
    scene.grant("second")
    await scene.clock.advance(2870)
    assert len(scene.asked) == 1
    await scene.pass_until(lambda: scene.changed, 30)
    assert scene.changed == [RUNNER]
    assert await scene.tokens.get(RUNNER) == "second"
    assert len(scene.asked) == 2


async def test_the_server_s_word_on_its_life_counts(scene):
    scene.grant("short", life=600)
    await scene.tokens.get(RUNNER)
    scene.grant("second")
    await scene.clock.advance(470)
    assert scene.changed == []
    await scene.pass_until(lambda: scene.changed, 20)


async def test_a_renewal_that_fails_is_tried_again_and_the_old_one_serves(scene):
    await scene.tokens.get(RUNNER)
    scene.refuse(500, "InternalError")
    await scene.pass_until(lambda: len(scene.asked) > 1, 3000, step=20)
    assert await scene.tokens.get(RUNNER) == "first"
    assert scene.changed == []
    scene.grant("second")
    await scene.pass_until(lambda: scene.changed, 60)
    assert await scene.tokens.get(RUNNER) == "second"


async def test_one_that_ended_is_an_error(scene):
    await scene.tokens.get(RUNNER)
    scene.refuse(403, "Forbidden")
    await scene.pass_until(lambda: scene.changed, 3700, step=20)
    assert scene.changed == [RUNNER]
    with pytest.raises(Forbidden):
        await scene.tokens.get(RUNNER)


async def test_an_account_that_comes_later_is_found(scene):
    scene.refuse(404, "NotFound")
    with pytest.raises(NotFound):
        await scene.tokens.get(RUNNER)
    scene.grant("late")
    await scene.pass_until(lambda: scene.changed, 5, step=1)
    assert await scene.tokens.get(RUNNER) == "late"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"status": {}},
        {"status": None},
        {"status": {"token": "hunter2"}},
        {"status": {"token": 5}, "spec": {}},
    ],
)
async def test_an_answer_without_a_token_is_an_error_that_shows_nothing(scene, body):
    scene.api.paths[PATH] = answers(201, body)
    with pytest.raises(KubeError) as caught:
        await scene.tokens.get(RUNNER)
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r}"


async def test_nobody_s_token_is_not_renewed(scene):
    await scene.tokens.get(RUNNER)
    scene.tokens.forget(RUNNER)
    await scene.clock.advance(4000)
    assert len(scene.asked) == 1


async def test_a_token_stands_in_no_repr(scene):
    scene.grant("hunter2")
    await scene.tokens.get(RUNNER)
    assert "hunter2" not in repr(scene.tokens._accounts)
