"""Pods as local processes: environment, logs, readiness, restarts, graceful and forced ends, and nothing left behind."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest
from embedded import (
    DEPLOYMENTS,
    PODS,
    cluster,
    condition,
    deployment,
    lone_pod,
    new_api,
    reasons,
    shell,
    until,
)

from scaler.clock import SystemClock
from scaler.local import runtimes
from scaler.local.api import ApiError
from scaler.local.containerlog import Log, LogOptions
from scaler.local.containers import BackOff
from scaler.local.controllers import Controllers
from scaler.local.environment import ConfigError, environment, expand, port_number
from scaler.local.process import Process, base_environment

SLEEP = shell("exec sleep 60")
STUBBORN = shell("trap '' TERM; echo armed; while :; do sleep 0.05; done")


def alive(pid):
    """Not for one that waits for somebody else (the machine's init) to take its exit code."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def main_state(pod):
    return pod["status"]["containerStatuses"][0]["state"]


async def read(api, name, container=None, **query):
    stream = api.logs(api.get(*PODS, name), container, query)
    return b"".join([chunk async for chunk in stream]).decode()


async def wait_for_log(api, name, text):
    async with asyncio.timeout(20):
        while True:
            try:
                if text in (seen := await read(api, name)):
                    return seen
            except ApiError:
                pass
            await asyncio.sleep(0.01)


async def run_and_read(api, name, *containers, **spec):
    """Run a pod to its end (restartPolicy Never) and give what it wrote."""
    api.create(*PODS, lone_pod(name, *containers, restartPolicy="Never", **spec))
    await until(lambda: api.get(*PODS, name)["status"]["phase"] in {"Succeeded", "Failed"})
    return await read(api, name)


async def test_a_pod_runs_is_ready_and_ends_gracefully():
    async with cluster() as api:
        script = "trap 'echo bye; exit 0' TERM; echo pid $$$$; while :; do sleep 0.05; done"
        api.create(*PODS, lone_pod("p", shell(script)))
        pod = await until(lambda: (p := api.get(*PODS, "p"))["status"].get("phase") == "Running" and p)
        assert "running" in main_state(pod)
        assert pod["spec"]["nodeName"] == "tidegate-local"
        assert pod["status"]["startTime"]
        for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready"):
            assert condition(pod, kind)[0] == "True"
        pid = int((await wait_for_log(api, "p", "pid")).split()[1])
        follower = asyncio.create_task(read(api, "p", follow="true"))
        assert api.delete(*PODS, "p") is False
        assert api.get(*PODS, "p")["metadata"]["deletionGracePeriodSeconds"] == 30
        await until(lambda: not api.list(*PODS))
        assert (await follower).endswith("bye\n")
        assert not alive(pid)
        assert reasons(api, "p") == ["Killing", "Started"]


async def test_what_ignores_sigterm_is_killed_after_its_grace(fake_clock):
    async with cluster(fake_clock) as api:
        api.create(*PODS, lone_pod("p", STUBBORN, terminationGracePeriodSeconds=45))
        await wait_for_log(api, "p", "armed")
        api.delete(*PODS, "p")
        await until(lambda: fake_clock.sleepers)
        await fake_clock.advance(44)
        assert "running" in main_state(api.get(*PODS, "p"))
        await fake_clock.advance(1.1)
        await until(lambda: not api.list(*PODS))


async def test_a_second_delete_shortens_the_grace(fake_clock):
    async with cluster(fake_clock) as api:
        api.create(*PODS, lone_pod("p", STUBBORN))
        await wait_for_log(api, "p", "armed")
        api.delete(*PODS, "p", grace=300)
        await until(lambda: fake_clock.sleepers)
        api.delete(*PODS, "p", grace=1)
        await fake_clock.settle()
        await fake_clock.advance(1.1)
        await until(lambda: not api.list(*PODS))


async def test_a_pod_deleted_by_force_leaves_no_process():
    async with cluster() as api:
        api.create(*PODS, lone_pod("p", shell("echo $$$$; trap '' TERM; while :; do sleep 0.05; done")))
        pid = int(await wait_for_log(api, "p", "\n"))
        assert api.delete(*PODS, "p", grace=0) is True
        await until(lambda: not alive(pid))


async def test_the_whole_group_ends_with_its_first_process(tmp_path):
    child = tmp_path / "child"
    async with cluster() as api:
        await run_and_read(api, "p", shell(f"sleep 300 & echo $! > {child}; exit 0"))
        pid = int(child.read_text())
        await until(lambda: not alive(pid))


async def test_close_leaves_no_process_and_no_zombie():
    async with cluster() as api:
        api.create(*PODS, lone_pod("a", shell("echo $$$$; trap '' TERM; while :; do sleep 0.05; done")))
        api.create(*PODS, lone_pod("b", shell("echo $$$$; exec sleep 300")))
        pids = [int(await wait_for_log(api, name, "\n")) for name in ("a", "b")]
        assert all(map(alive, pids))
    assert not any(map(alive, pids))


async def test_close_without_a_start_is_nothing():
    await Controllers(new_api()).close()


async def test_only_the_container_s_own_environment(monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "secret")
    async with cluster() as api:
        out = await run_and_read(
            api, "p", {"name": "c", "image": "i", "command": ["env"], "env": [{"name": "A", "value": "b"}]}
        )
        names = {line.partition("=")[0] for line in out.splitlines()}
        assert names == {"PATH", "HOME", "LANG", "HOSTNAME", "A"}
        assert f"PATH={Path(sys.executable).parent}:" in out
        assert "HOSTNAME=p" in out


async def test_environment_from_everywhere():
    async with cluster() as api:
        api.create("", "configmaps", "default", _named("ConfigMap", "cm", data={"k": "from-cm", "one": "1"}))
        api.create("", "secrets", "default", _named("Secret", "s", data={"k": "ZnJvbS1z"}))
        env = [
            {"name": "BASE", "value": "10"},
            {"name": "NEXT", "value": "$(BASE)+$(MISSING)+$$(BASE)"},
            {"name": "CM", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "k"}}},
            {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "NONE", "valueFrom": {"secretKeyRef": {"name": "no", "key": "k", "optional": True}}},
            {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        ]
        container = {
            "name": "c",
            "image": "i",
            "command": ["/bin/sh", "-c"],
            "args": ["echo $NEXT $CM $S ${NONE-unset} $NAME $LABEL $P_one $(BASE)"],
            "env": env,
            "envFrom": [{"configMapRef": {"name": "cm"}, "prefix": "P_"}],
        }
        out = await run_and_read(api, "p", container)
        assert out == "10+$(MISSING)+$(BASE) from-cm from-s unset p p 1 10\n"


async def test_a_missing_secret_holds_the_container_until_it_comes(fake_clock):
    async with cluster(fake_clock) as api:
        env = [{"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
        api.create(*PODS, lone_pod("p", shell("echo $S; exec sleep 60", env=env)))
        await fake_clock.settle()
        pod = api.get(*PODS, "p")
        assert pod["status"]["phase"] == "Pending"
        waiting = main_state(pod)["waiting"]
        assert waiting["reason"] == "CreateContainerConfigError"
        assert waiting["message"] == 'secret "s" not found'
        api.create("", "secrets", "default", _named("Secret", "s", data={"k": "eA=="}))
        await fake_clock.advance(11)
        assert await wait_for_log(api, "p", "x") == "x\n"


@pytest.mark.parametrize(
    ("container", "reason", "words"),
    [
        ({"command": ["/no/such/program"]}, "CreateContainerError", "/no/such/program"),
        ({"command": ["no-such-program"]}, "CreateContainerError", "PATH"),
        ({"command": ["sleep", "1"], "workingDir": "/no/such/dir"}, "CreateContainerError", "/no/such/dir"),
        ({}, "NoCommand", "command"),
    ],
    ids=["absent", "not-in-path", "no-directory", "no-command"],
)
async def test_what_cannot_run_says_why(container, reason, words):
    async with cluster() as api:
        api.create(*PODS, lone_pod("p", {"name": "c", "image": "i", **container}))
        pod = await until(
            lambda: (p := api.get(*PODS, "p")) and main_state(p).get("waiting", {}).get("message") and p
        )
        assert main_state(pod)["waiting"]["reason"] == reason
        assert words in main_state(pod)["waiting"]["message"]
        assert condition(pod, "Ready") == ("False", "ContainersNotReady")
        assert "Failed" in reasons(api, "p")
        api.delete(*PODS, "p")
        await until(lambda: not api.list(*PODS))


async def test_restarts_wait_longer_and_longer(fake_clock):
    async with cluster(fake_clock) as api:
        api.create(*PODS, lone_pod("p", shell("echo once; exit 3")))

        def waits_with(restarts):
            status = api.get(*PODS, "p")["status"]["containerStatuses"][0]
            return status["restartCount"] == restarts and "waiting" in status["state"] and status

        status = await until(lambda: waits_with(1))
        assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        assert status["lastState"]["terminated"]["exitCode"] == 3
        assert api.get(*PODS, "p")["status"]["phase"] == "Running"
        for restarts, delay in ((2, 10), (3, 20), (4, 40)):
            await fake_clock.advance(delay - 1)
            assert waits_with(restarts - 1)
            await fake_clock.advance(1.1)
            await until(lambda n=restarts: waits_with(n))
        assert await read(api, "p", previous="true") == "once\n"
        assert "BackOff" in reasons(api, "p")


def test_back_off_doubles_to_five_minutes_and_is_forgotten_after_ten():
    back_off = BackOff()
    assert [back_off.after(1) for _ in range(8)] == [0, 10, 20, 40, 80, 160, 300, 300]
    assert [back_off.after(600), back_off.after(1)] == [0, 10]


@pytest.mark.parametrize(
    ("policy", "code", "phase", "restarts"),
    [("Never", 0, "Succeeded", 0), ("Never", 7, "Failed", 0), ("OnFailure", 0, "Succeeded", 0)],
)
async def test_pods_that_may_end(policy, code, phase, restarts):
    async with cluster() as api:
        api.create(*PODS, lone_pod("p", shell(f"exit {code}"), restartPolicy=policy))
        pod = await until(lambda: (p := api.get(*PODS, "p"))["status"]["phase"] == phase and p)
        status = pod["status"]["containerStatuses"][0]
        assert status["state"]["terminated"]["exitCode"] == code
        assert (status["restartCount"], status["ready"]) == (restarts, False)
        assert api.delete(*PODS, "p") is True


async def test_on_failure_is_tried_until_it_works(tmp_path):
    async with cluster(SystemClock(factor=50)) as api:
        script = f"test -e {tmp_path}/b && exit 0; test -e {tmp_path}/a && touch {tmp_path}/b; touch {tmp_path}/a; exit 1"
        api.create(*PODS, lone_pod("p", shell(script), restartPolicy="OnFailure"))
        pod = await until(lambda: (p := api.get(*PODS, "p"))["status"]["phase"] == "Succeeded" and p)
        assert pod["status"]["containerStatuses"][0]["restartCount"] == 2


async def test_a_signal_is_an_exit_code_above_128():
    async with cluster() as api:
        await run_and_read(api, "p", shell("kill -9 $$$$"))
        ended = main_state(api.get(*PODS, "p"))["terminated"]
        assert (ended["exitCode"], ended["signal"], ended["reason"]) == (137, signal.SIGKILL, "Error")


async def test_init_containers_run_first_one_by_one():
    async with cluster() as api:
        inits = [shell("echo one", name="one") | {"name": "one"}, shell("exit 0") | {"name": "two"}]
        api.create(*PODS, lone_pod("p", SLEEP, initContainers=inits))
        pod = await until(lambda: (p := api.get(*PODS, "p"))["status"]["phase"] == "Running" and p)
        assert condition(pod, "Initialized")[0] == "True"
        codes = [s["state"]["terminated"]["exitCode"] for s in pod["status"]["initContainerStatuses"]]
        assert codes == [0, 0]
        assert await read(api, "p", "one") == "one\n"


async def test_a_failing_init_container_fails_the_pod_that_may_not_restart():
    async with cluster() as api:
        inits = [shell("exit 4") | {"name": "one"}]
        api.create(*PODS, lone_pod("p", SLEEP, initContainers=inits, restartPolicy="Never"))
        pod = await until(lambda: (p := api.get(*PODS, "p"))["status"]["phase"] == "Failed" and p)
        assert condition(pod, "Initialized") == ("False", "ContainersNotInitialized")


async def test_readiness_follows_the_exec_probe(tmp_path):
    probe = {
        "exec": {"command": ["test", "-e", str(tmp_path / "ok")]},
        "periodSeconds": 5,
        "failureThreshold": 2,
    }
    async with cluster(SystemClock(factor=50)) as api:
        api.create(*PODS, lone_pod("p", shell("exec sleep 60", readinessProbe=probe)))
        await until(lambda: "Unhealthy" in reasons(api, "p"))
        assert condition(api.get(*PODS, "p"), "Ready") == ("False", "ContainersNotReady")
        (tmp_path / "ok").touch()
        await until(lambda: condition(api.get(*PODS, "p"), "Ready")[0] == "True")
        (tmp_path / "ok").unlink()
        await until(lambda: condition(api.get(*PODS, "p"), "Ready")[0] == "False")


async def test_probes_keep_the_rhythm_of_the_spec(fake_clock, tmp_path):
    probe = {
        "exec": {"command": ["true"]},
        "initialDelaySeconds": 20,
        "periodSeconds": 10,
        "successThreshold": 1,
    }
    async with cluster(fake_clock) as api:
        api.create(*PODS, lone_pod("p", shell("exec sleep 60", readinessProbe=probe)))
        await until(lambda: "running" in main_state(api.get(*PODS, "p")))
        await fake_clock.advance(19)
        assert condition(api.get(*PODS, "p"), "Ready")[0] == "False"
        await fake_clock.advance(1.1)
        await until(lambda: condition(api.get(*PODS, "p"), "Ready")[0] == "True")


@pytest.mark.parametrize("kind", ["httpGet", "tcpSocket"])
async def test_network_probes_of_a_port_by_name(kind):
    async def answer(reader, writer):
        await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    where = {"port": "web"} | ({"path": "/ready"} if kind == "httpGet" else {})
    extra = {
        "readinessProbe": {kind: where, "periodSeconds": 1},
        "ports": [{"name": "web", "containerPort": port}],
    }
    async with server, cluster() as api:
        api.create(*PODS, lone_pod("p", shell("exec sleep 60", **extra)))
        await until(lambda: condition(api.get(*PODS, "p"), "Ready")[0] == "True")


async def test_a_probe_that_hangs_is_a_failed_probe():
    probe = {
        "exec": {"command": ["sleep", "60"]},
        "timeoutSeconds": 1,
        "periodSeconds": 1,
        "failureThreshold": 1,
    }
    async with cluster() as api:
        api.create(*PODS, lone_pod("p", shell("exec sleep 60", readinessProbe=probe)))
        await until(lambda: "Unhealthy" in reasons(api, "p"))
        events = api.list("", "events", "default")
        assert any("no answer within 1 s" in e["message"] for e in events)


async def test_logs_by_tail_bytes_and_time():
    async with cluster() as api:
        await run_and_read(api, "p", shell("echo one; echo two >&2; echo three; printf four"))
        assert await read(api, "p") == "one\ntwo\nthree\nfour"
        assert await read(api, "p", tailLines="2") == "three\nfour"
        assert await read(api, "p", tailLines="0") == ""
        assert await read(api, "p", limitBytes="5") == "one\nt"
        assert (await read(api, "p", timestamps="true", tailLines="1")).endswith("Z four")
        assert await read(api, "p", sinceTime="2100-01-01T00:00:00Z") == ""
        assert await read(api, "p", sinceSeconds="3600", follow="true") == "one\ntwo\nthree\nfour"


@pytest.mark.parametrize(
    ("container", "query", "words"),
    [
        ("no", {}, "not valid"),
        (None, {}, "choose one of: [main other]"),
        ("main", {"previous": "true"}, "previous"),
        ("main", {"tailLines": "-1"}, "tailLines"),
    ],
)
async def test_logs_that_are_not_there(container, query, words):
    async with cluster() as api:
        api.create(*PODS, lone_pod("p", SLEEP, SLEEP | {"name": "other"}))
        await until(lambda: api.get(*PODS, "p")["status"]["phase"] == "Running")
        with pytest.raises(ApiError, match=r".*") as caught:
            api.logs(api.get(*PODS, "p"), container, query)
        assert caught.value.code == 400
        assert words in caught.value.message


@pytest.mark.parametrize("mode", ["ready", "none"])
async def test_pods_that_run_nothing_have_no_log(mode):
    async with cluster(pods=mode) as api:
        api.create(*PODS, lone_pod("p", SLEEP))
        await until(lambda: api.get(*PODS, "p")["status"].get("conditions"))
        with pytest.raises(ApiError) as caught:
            api.logs(api.get(*PODS, "p"), None, {})
        assert "--pods process" in caught.value.message
        assert api.delete(*PODS, "p") is True


async def test_a_long_log_keeps_its_end_and_a_follower_goes_on(fake_clock):
    log = Log(limit=1000)
    for number in range(500):
        log.feed(f"line {number}\n".encode(), fake_clock.now())
    assert len(log.text()) <= 1000
    assert log.text().endswith("line 499\n")
    stream = log.read(LogOptions(follow=True, tail_lines=1))
    assert await anext(stream) == b"line 499\n"
    waiting = asyncio.create_task(anext(stream))
    await asyncio.sleep(0)
    log.feed(b"x" * 5000 + b"\nlast", fake_clock.now())
    assert len(await waiting) == 5001
    log.close(fake_clock.now())
    assert await anext(stream) == b"last"
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_process_that_writes_without_end_is_only_remembered_a_little():
    log = Log(limit=10_000)
    process = Process.start(
        ["/bin/sh", "-c", "yes | head -c 3000000"],
        env=base_environment(),
        cwd=Path("/"),
        clock=SystemClock(),
        log=log,
    )
    assert await process.wait() == 0
    assert 5_000 < len(log.text()) <= 10_000


async def test_a_cancelled_wait_kills():
    process = Process.start(
        ["sleep", "300"], env=base_environment(), cwd=Path("/"), clock=SystemClock(), log=Log()
    )
    waiting = asyncio.create_task(process.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not alive(process.pid)


async def test_workers_are_told_to_die_with_us():
    """Killed without a chance to clean up, we still leave no worker (where setpriv is installed)."""
    code = (
        "import asyncio, sys; sys.path[:0] = sys.argv[1:]\n"
        "from embedded import *\n"
        "async def main():\n"
        "    async with cluster() as api:\n"
        "        api.create(*PODS, lone_pod('p', shell('echo $$$$; exec sleep 300')))\n"
        "        pod = await until(lambda: (p := api.get(*PODS, 'p'))['status']['phase'] == 'Running' and p)\n"
        "        async for chunk in api.logs(pod, None, {'follow': 'true'}):\n"
        "            print(chunk.decode(), flush=True)\n"
        "asyncio.run(main())\n"
    )
    tests = str(Path(__file__).parent.parent)
    us = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, tests, stdout=asyncio.subprocess.PIPE
    )
    pid = int(await us.stdout.readline())
    assert alive(pid)
    us.kill()
    await us.wait()
    us._transport.close()
    await until(lambda: not alive(pid))


async def test_a_deployment_of_processes_goes_to_zero():
    async with cluster() as api:
        api.create(*DEPLOYMENTS, deployment(replicas=3, pod={"containers": [SLEEP]}))
        await until(lambda: api.get(*DEPLOYMENTS, "web")["status"].get("availableReplicas") == 3)
        api.update_scale(*DEPLOYMENTS, "web", {"spec": {"replicas": 0}})
        await until(lambda: not api.list(*PODS))
        assert not api.get(*DEPLOYMENTS, "web")["status"].get("replicas")


async def test_no_more_pods_run_than_a_node_takes(monkeypatch):
    monkeypatch.setitem(runtimes.Processes.__init__.__kwdefaults__, "limit", 2)
    async with cluster() as api:
        api.create(*DEPLOYMENTS, deployment(replicas=4, pod={"containers": [SLEEP]}))

        def phases():
            return sorted(p["status"]["phase"] for p in api.list(*PODS) if p["status"].get("conditions"))

        await until(lambda: phases() == ["Pending", "Pending", "Running", "Running"])
        assert any("Too many pods" in str(p["status"]["conditions"]) for p in api.list(*PODS))
        api.update_scale(*DEPLOYMENTS, "web", {"spec": {"replicas": 3}})
        await until(lambda: phases() == ["Pending", "Running", "Running"])
        running = next(p for p in api.list(*PODS) if p["status"]["phase"] == "Running")
        api.delete(*PODS, running["metadata"]["name"])
        await until(lambda: phases() == ["Pending", "Running", "Running"] and running not in api.list(*PODS))
        api.create(*PODS, lone_pod("short", shell("exit 0"), restartPolicy="Never"))
        api.update_scale(*DEPLOYMENTS, "web", {"spec": {"replicas": 1}})
        await until(lambda: phases() == ["Running", "Succeeded"])


async def test_mounts_that_have_no_effect_are_said():
    async with cluster() as api:
        mount = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
        api.create(*PODS, lone_pod("p", SLEEP | mount, volumes=[{"name": "v", "emptyDir": {}}]))
        await until(lambda: "VolumesNotMounted" in reasons(api, "p"))


# Pure parts.


def _named(kind, name, **more):
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "default"}, **more}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("$$(A)", "$(A)"),
        ("$(B)", "$(B)"),
        ("$(A)$(A)", "11"),
        ("$A $", "$A $"),
        ("$$$(A)", "$1"),
        ("$(", "$("),
    ],
)
def test_expansion(text, expanded):
    assert expand(text, {"A": "1"}) == expanded


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"fieldRef": {"fieldPath": "spec.containers"}}, "fieldPath spec.containers"),
        ({"resourceFieldRef": {"resource": "limits.cpu"}}, "resourceFieldRef"),
        ({"configMapKeyRef": {"name": "c", "key": "no"}}, "no key no in ConfigMap c"),
        ({"secretKeyRef": {"name": "no", "key": "k"}}, 'secret "no" not found'),
        ({"secretKeyRef": {"name": "bad", "key": "k"}}, "base64"),
    ],
)
def test_environment_that_cannot_be_had(source, words):
    there = {
        "c": {"metadata": {"name": "c"}, "data": {}},
        "bad": {"metadata": {"name": "bad"}, "data": {"k": "!"}},
    }
    pod = lone_pod("p", SLEEP)
    with pytest.raises(ConfigError) as caught:
        environment(pod, {"env": [{"name": "E", "valueFrom": source}]}, lambda _, name: there.get(name))
    assert words in str(caught.value)


def test_ports_by_name_and_number():
    container = {"ports": [{"name": "web", "containerPort": 80}]}
    assert [port_number(container, p) for p in ("web", 8080, "81")] == [80, 8080, 81]
    with pytest.raises(ConfigError, match="nope"):
        port_number(container, "nope")
