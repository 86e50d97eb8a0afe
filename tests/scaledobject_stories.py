"""The lines of the stories in docs/scaledobject.md, done and checked on the embedded cluster with a real redis-server.

async with Stage(run, redis, namespace, example) as stage:
    await stage.play()

A line that is indented says what is then so: it is waited for, but for `for <seconds>s ...`, which must hold from then
until so long after the last thing done. Objects are looked at in every state they were in since then, in order, so that
no state is too short to be seen. What a line may be is in ACTS and CHECKS; another one is an error.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

import aiohttp
import yaml
from controlled import DEPLOYMENTS, HPAS, SCALED_OBJECTS
from scaledobject_acts import ACTS, Actor, Words, kind_of
from scaledobject_history import ABSENT, Objects, at, condition
from scaledobject_page import Line

from scaler.core.checking import check_documents
from scaler.local.api import ApiError
from scaler.pki import client_context
from scalers.registry import Registry

__all__ = ["ACTS", "CHECKS", "Stage"]

WITHIN = 30.0
"""Real seconds for a check to come true."""

T = TypeVar("T")


class Stage(Actor):
    """One example at play, in a namespace of its own."""

    async def play(self) -> None:
        """Everything is applied first, unless the story says when."""
        lines = self.example.lines
        if not any(line.text.split()[0] == "apply" for line in lines if not line.check):
            self._apply_all()
        for line in lines:
            if line.check:
                await self._check(line)
            else:
                assert self.refusal is None, f"{self._at(line)}: not checked: refused {self.refusal!r}"
                self.acted = self.run.embedded.clock.now()
                await self._act(line)
        assert self.refusal is None, f"not checked: refused {self.refusal!r}"

    async def _act(self, line: Line) -> None:
        act, words = _meaning(line, line.text, ACTS)
        done = act(self, words)
        if done is not None:
            await done
        self._look_anew()

    def _look_anew(self) -> None:
        for history in self.seen.values():
            history.to_now()

    async def _check(self, line: Line) -> None:
        span = re.fullmatch(r"for (\d+)s (.*)", line.text)
        check, words = _meaning(line, span[2] if span else line.text, CHECKS)
        if span:
            await self._holds(line, float(span[1]), words, check)
        else:
            await self._comes(line, words, check)

    async def _comes(self, line: Line, words: Words, check: "Check") -> None:
        seen: Any = None

        async def wait() -> None:
            nonlocal seen
            while True:
                seen = await self._seen(check, words)
                if seen is True:
                    return
                await asyncio.sleep(0.01)

        try:
            await asyncio.wait_for(wait(), WITHIN)
        except TimeoutError:
            raise AssertionError(f"{self._at(line)}: but {seen!r}; {self._told()}") from None

    async def _holds(self, line: Line, seconds: float, words: Words, check: "Check") -> None:
        clock, end = self.run.embedded.clock, self.acted + timedelta(seconds=seconds)
        while True:
            self._look_anew()
            seen = await self._seen(check, words)
            if clock.now() >= end:  # What was seen may be from after that.
                return
            assert seen is True, f"{self._at(line)}: but {seen!r}; {self._told()}"
            await asyncio.sleep(0.01)

    async def _seen(self, check: "Check", words: Words) -> Any:
        try:
            found = check(self, words)
            return await found if isinstance(found, Awaitable) else found
        except (ApiError, LookupError) as error:
            return error

    # What is then so.

    def replicas(self, words: Words) -> Any:
        kind = kind_of(words["kind"] or "deployment")

        def look(objects: Objects) -> Any:
            found = objects[words["name"] or "web"]["spec"]["replicas"]
            return found == int(words["count"]) or found

        return self.seen[kind].find(look)

    def at_work(self, words: Words) -> Any:
        def look(objects: Objects) -> Any:
            found = sum(one["spec"]["replicas"] > 0 for one in objects.values())
            wanted = int(words["count"])
            return (found >= wanted if words["least"] else found == wanted) or found

        return self.seen[DEPLOYMENTS].find(look)

    def condition(self, words: Words) -> Any:
        def look(objects: Objects) -> Any:
            found = condition(objects, words["kind"])
            return (
                found.get("status") == words["status"] and words["reason"] in {None, found.get("reason")}
            ) or found

        return self.seen[SCALED_OBJECTS].find(look)

    def says(self, words: Words) -> Any:
        def look(objects: Objects) -> Any:
            found = condition(objects, words["kind"]).get("message", "")
            return words["text"] in found or found

        return self.seen[SCALED_OBJECTS].find(look)

    def reason(self, words: Words) -> Any:
        found = self.run.controller.decision(self.ns, words["name"] or "worker")
        return (found is not None and found.reason == words["reason"]) or found

    def field(self, words: Words) -> Any:
        """Of the object or its status; of the HPA, whatever its name is."""

        def look(objects: Objects) -> Any:
            if words["what"] == "hpa":
                found = [at(one, words["path"]) for one in objects.values()]
            else:
                status = "status." if words["what"] == "status" else ""
                found = [at(objects["worker"], status + words["path"])]
            if words["value"] == "present":
                return any(one != ABSENT for one in found) or found
            return yaml.safe_load(words["value"]) in found or found

        return self.seen[HPAS if words["what"] == "hpa" else SCALED_OBJECTS].find(look)

    def hpa_is(self, words: Words) -> Any:
        return self.seen[HPAS].find(lambda objects: bool(objects) is (words["word"] == "present"))

    def gone(self, words: Words) -> Any:
        return self.seen[kind_of(words["kind"])].find(lambda objects: words["name"] not in objects)

    async def metric(self, words: Words) -> Any:
        """What the external-metrics API answers, asked through the API server."""
        cluster = self.run.cluster
        url = f"{cluster.url}/apis/external.metrics.k8s.io/v1beta1/namespaces/{self.ns}/{words['name']}"
        asked = {"labelSelector": "scaledobject.keda.sh/name=worker"}
        headers = {"Authorization": f"Bearer {cluster.token}"}
        connector = aiohttp.TCPConnector(ssl=client_context(cluster.ca))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(url, params=asked, headers=headers) as answer,
        ):
            found = await answer.json()
        if words["value"] == "unknown":
            return answer.status == 503 or found
        return [one["value"] for one in found.get("items", ())] == [words["value"]] or found

    def event(self, words: Words) -> Any:
        found = [
            one["message"]
            for one in self.api.list("", "events", self.ns)
            if one["involvedObject"]["name"] == "worker" and one["reason"] == words["reason"]
        ]
        text = words["text"] or ""
        return any(text in message for message in found) or found

    def refused(self, words: Words) -> Any:
        found, self.refusal = self.refusal, None
        return (found is not None and words["text"] in found) or found

    def validate(self, words: Words) -> Any:
        report = check_documents([("page", document) for document in self.documents], Registry().check)
        if words["text"] is None:
            return [str(one) for one in (*report.problems, *report.warnings)] == [] or report
        found = [str(one) for one in (report.problems if words["sort"] == "refuses" else report.warnings)]
        return any(words["text"] in one for one in found) or found

    def _at(self, line: Line) -> str:
        return f"docs/scaledobject.md:{line.number}: {line.text}"

    def _told(self) -> Any:
        try:
            return self.run.embedded.decision(self.ns, "worker"), self.run.status(namespace=self.ns)
        except ApiError as error:
            return error


def _meaning(line: Line, text: str, table: Mapping[str, T]) -> tuple[T, Words]:
    for pattern, meaning in table.items():
        words = re.fullmatch(pattern, text)
        if words:
            return meaning, words
    raise AssertionError(f"docs/scaledobject.md:{line.number}: {text!r} is no line of a story")


Check = Callable[[Stage, Words], Any]

CHECKS: dict[str, Check] = {
    r"replicas (?P<count>\d+)(?: of (?:(?P<kind>\w+)/)?(?P<name>\S+))?": Stage.replicas,
    r"at work (?P<least>at least )?(?P<count>\d+)": Stage.at_work,
    r"(?P<kind>Ready|Active|Fallback|Paused) (?P<status>True|False|Unknown)(?: (?P<reason>\w+))?": Stage.condition,
    r'(?P<kind>Ready|Active|Fallback|Paused) says "(?P<text>[^"]+)"': Stage.says,
    r"reason (?P<reason>\w+)(?: of (?P<name>\S+))?": Stage.reason,
    r"hpa (?P<word>present|absent)": Stage.hpa_is,
    r"(?P<what>hpa|object|status) (?P<path>\S+) (?P<value>.+)": Stage.field,
    r"(?P<kind>\w+)/(?P<name>\S+) gone": Stage.gone,
    r"metric (?P<name>\S+) (?P<value>\S+)": Stage.metric,
    r'event (?P<reason>\w+)(?: "(?P<text>[^"]+)")?': Stage.event,
    r'refused "(?P<text>[^"]+)"': Stage.refused,
    r'validate (?:(?P<sort>refuses|warns) "(?P<text>[^"]+)"|is content)': Stage.validate,
}
"""What a line that is indented may be."""
