"""Reviews: what is asked of the API server, how long its answers hold, and what happens without one."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from fake_clock import FakeClock
from guarded import Reviewer

from metrics_adapter.attributes import Attributes, attributes
from metrics_adapter.authn import User
from metrics_adapter.reviews import Limits, Reviews, Unanswered
from scaler.kube.errors import Forbidden, ServerError, Unreachable
from scaler.kube.resources import Resource

JANE = User("jane", ("dev", "system:authenticated"), "42", (("scopes", ("one", "two")),))
GROUP = "external.metrics.k8s.io"
TOKENS = {"t": {"username": "jane", "uid": "42", "groups": ["dev"], "extra": {"scopes": ["one", "two"]}}}


def metric(name: str = "s0-redis-jobs", verb: str = "list", namespace: str = "shop") -> Attributes:
    return Attributes(verb=verb, group=GROUP, version="v1beta1", resource=name, namespace=namespace)


class TestWhatIsAsked:
    async def test_a_token_without_audiences_which_are_then_the_api_servers(self) -> None:
        reviewer = Reviewer(TOKENS)
        user = await Reviews(FakeClock(), reviewer).identify("t")
        assert user == User("jane", ("dev",), "42", (("scopes", ("one", "two")),))
        assert reviewer.asked == [("TokenReview", {"token": "t"})]

    async def test_everything_first_and_then_this_metric(self) -> None:
        reviewer = Reviewer(grants={"dev": {("list", "s0-redis-jobs")}})
        assert await Reviews(FakeClock(), reviewer).allows(JANE, metric(), proxied=True)
        common = {"verb": "list", "group": GROUP, "version": "v1beta1"}
        about = [spec.pop("resourceAttributes") for _, spec in reviewer.asked]
        assert about == [
            common | {"resource": "*"},
            common | {"resource": "s0-redis-jobs", "namespace": "shop"},
        ]
        assert reviewer.asked[0][1] == {
            "user": "jane",
            "groups": ["dev", "system:authenticated"],
            "uid": "42",
            "extra": {"scopes": ["one", "two"]},
        }

    async def test_a_path_and_any_other_verb_are_asked_as_they_are(self) -> None:
        reviewer = Reviewer(grants={"dev": {("get", "/openapi/v2"), ("delete", "*")}})
        reviews = Reviews(FakeClock(), reviewer)
        assert await reviews.allows(JANE, attributes("GET", "/openapi/v2"), proxied=True)
        assert reviewer.asked[0][1]["nonResourceAttributes"] == {"path": "/openapi/v2", "verb": "get"}
        assert await reviews.allows(JANE, metric(verb="delete"), proxied=True)
        assert not await reviews.allows(JANE, metric(verb="watch"), proxied=True)
        assert len(reviewer.asked) == 3

    @pytest.mark.parametrize("user", [None, {}, {"username": ""}, {"username": 7}, "jane"])
    async def test_an_answer_that_names_nobody_is_nobody(self, user: Any) -> None:
        class Odd(Reviewer):
            async def create(self, *_: Any) -> dict[str, Any]:
                return {"status": {"authenticated": True, "user": user}}

        assert await Reviews(FakeClock(), Odd()).identify("t") is None

    @pytest.mark.parametrize(
        "status", [{"allowed": "yes"}, {"allowed": True, "denied": True}, {}, {"allowed": False}]
    )
    async def test_only_a_clear_yes_is_one(self, status: dict) -> None:
        class Odd(Reviewer):
            async def create(self, *_: Any) -> dict[str, Any]:
                return {"status": status}

        assert not await Reviews(FakeClock(), Odd()).allows(JANE, metric(), proxied=True)


class TestHowLongItHolds:
    async def test_yes_and_no_for_ten_seconds(self) -> None:
        clock, reviewer = FakeClock(), Reviewer(TOKENS)
        reviews = Reviews(clock, reviewer)
        assert await reviews.identify("t")
        assert await reviews.identify("other") is None
        reviewer.tokens = {"other": TOKENS["t"]}
        await clock.advance(9.9)
        assert await reviews.identify("t")
        assert await reviews.identify("other") is None
        assert len(reviewer.asked) == 2
        await clock.advance(0.2)
        assert await reviews.identify("t") is None
        assert await reviews.identify("other")
        assert len(reviewer.asked) == 4

    async def test_a_right_that_was_taken_away(self) -> None:
        clock, reviewer = FakeClock(), Reviewer(grants={"jane": {("list", "*")}})
        reviews = Reviews(clock, reviewer)
        for number in range(100):
            assert await reviews.allows(JANE, metric(f"s{number}"), proxied=True)
        assert len(reviewer.asked) == 1
        reviewer.grants = {}
        await clock.advance(10.1)
        assert not await reviews.allows(JANE, metric("s1"), proxied=True)

    async def test_what_could_not_be_answered_does_not_hold(self) -> None:
        reviewer = Reviewer(TOKENS)
        reviews = Reviews(FakeClock(), reviewer)
        reviewer.fault = ServerError("create", 500)
        with pytest.raises(Unanswered):
            await reviews.identify("t")
        reviewer.fault = None
        assert await reviews.identify("t")

    async def test_no_more_answers_are_kept_than_there_may_be(self) -> None:
        reviewer = Reviewer()
        reviews = Reviews(FakeClock(), reviewer, Limits(most=3))
        for number in range(10):
            assert await reviews.identify(f"guess-{number}") is None
        assert len(reviews._users._kept) == 3
        assert await reviews.identify("guess-9") is None
        assert len(reviewer.asked) == 10
        assert await reviews.identify("guess-0") is None
        assert len(reviewer.asked) == 11

    async def test_no_token_is_kept(self) -> None:
        reviews = Reviews(FakeClock(), Reviewer(TOKENS))
        await reviews.identify("t" * 40)
        assert "t" * 40 not in repr(vars(reviews._users))


class Waiting(Reviewer):
    """Answers when told to."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.go = asyncio.Event()
        self.now = 0

    async def create(self, resource: Resource, obj: Mapping[str, Any]) -> dict[str, Any]:
        self.now += 1
        try:
            await self.go.wait()
        finally:
            self.now -= 1
        return await super().create(resource, obj)


async def settled(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - other tasks make it true.
            await asyncio.sleep(0)


class TestTogether:
    async def test_equal_questions_are_asked_once(self) -> None:
        reviewer = Waiting(TOKENS)
        reviews = Reviews(FakeClock(), reviewer)
        asking = [asyncio.create_task(reviews.identify("t")) for _ in range(20)]
        await settled(lambda: reviewer.now)
        asking[0].cancel()  # Its connection ended; the others still want to know.
        reviewer.go.set()
        found = await asyncio.gather(*asking, return_exceptions=True)
        assert [user.name for user in found[1:]] == ["jane"] * 19
        assert isinstance(found[0], asyncio.CancelledError)
        assert len(reviewer.asked) == 1

    async def test_strangers_take_no_turn_of_the_front_proxys(self) -> None:
        reviewer = Waiting()
        reviews = Reviews(FakeClock(), reviewer, Limits(strangers=2, proxied=1))
        strangers = [asyncio.create_task(reviews.identify(f"guess-{number}")) for number in range(5)]
        await settled(lambda: reviewer.now == 2)
        proxied = asyncio.create_task(reviews.allows(JANE, metric(verb="watch"), proxied=True))
        await settled(lambda: reviewer.now == 3)
        for _ in range(20):
            await asyncio.sleep(0)
        assert reviewer.now == 3
        reviewer.go.set()
        await asyncio.gather(*strangers, proxied)

    async def test_strangers_are_slowed_down(self) -> None:
        clock, reviewer = FakeClock(virtual_io=True), Reviewer()
        reviews = Reviews(clock, reviewer, Limits(strangers=2, breath=0.02))
        guesses = [asyncio.create_task(reviews.identify(f"guess-{number}")) for number in range(5)]
        await clock.settle()
        assert reviewer.asked == []
        for asked in (2, 4, 5):
            await clock.advance(0.02)
            assert len(reviewer.asked) == asked
        await asyncio.gather(*guesses)
        assert await reviews.allows(JANE, metric(verb="watch"), proxied=True) is False

    async def test_closing_leaves_nothing_behind(self) -> None:
        reviewer = Waiting()
        reviews = Reviews(FakeClock(), reviewer)
        asking = asyncio.create_task(reviews.identify("t"))
        await settled(lambda: reviewer.now)
        await reviews.close()
        assert reviewer.now == 0
        with pytest.raises(asyncio.CancelledError):
            await asking


class TestWithoutAnAnswer:
    async def test_silence_has_a_deadline_that_counts_the_waiting(self) -> None:
        reviews = Reviews(FakeClock(), Waiting(), Limits(deadline=0.05, strangers=1))
        asking = [reviews.identify(f"guess-{number}") for number in range(3)]
        found = await asyncio.gather(*asking, return_exceptions=True)
        assert {str(each) for each in found} == {
            "tokenreviews.authentication.k8s.io: no answer within 0.05 s"
        }
        assert all(isinstance(each, Unanswered) for each in found)

    @pytest.mark.parametrize("error", [Unreachable("create: refused"), ServerError("create", 500)])
    async def test_failures_are_no_answer(self, error: Exception) -> None:
        reviewer = Reviewer()
        reviewer.fault = error
        reviews = Reviews(FakeClock(), reviewer)
        with pytest.raises(Unanswered):
            await reviews.identify("t")
        with pytest.raises(Unanswered):
            await reviews.allows(JANE, metric(), proxied=False)

    async def test_a_missing_right_names_its_mend(self) -> None:
        reviewer = Reviewer()
        reviewer.fault = Forbidden("create tokenreviews", 403)
        with pytest.raises(Unanswered, match="system:auth-delegator"):
            await Reviews(FakeClock(), reviewer).identify("t")

    async def test_an_answer_without_a_status_is_none(self) -> None:
        class Odd(Reviewer):
            async def create(self, *_: Any) -> dict[str, Any]:
                return {"kind": "TokenReview"}

        with pytest.raises(Unanswered, match="no status"):
            await Reviews(FakeClock(), Odd()).identify("t")
