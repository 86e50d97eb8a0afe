"""`tidegate run` with flags that were written for KEDA."""

import pytest
from command_line import running, tidegate, up

pytestmark = pytest.mark.slow


def test_flags_of_keda_are_told_of_and_others_are_refused(tmp_path):
    stray = tidegate("run", "--regster", home=tmp_path)
    assert stray.returncode == 2
    assert stray.stderr == "tidegate: no such option or argument: --regster\n"
    named = ("--metrics-address", "here")
    assert "--metrics-address here: write an IP address" in tidegate("run", *named, home=tmp_path).stderr
    with up("--cluster-only", "--pods", "none", home=tmp_path) as (cluster, kubectl):
        kubectl.apply(tidegate("crds", home=tmp_path).stdout)
        words = ("--secure-port", "0", "--metrics-port", "0", "--metrics-address", "0.0.0.0")
        keda = ("--zap-log-level=info", "--http-max-idle-conns", "0", "--leader-elect")
        with running(
            "run", *keda, *words, "--kubeconfig", kubectl.kubeconfig, home=tmp_path, name="run"
        ) as command:
            command.until(lambda: command.events("ready"), "the watches are synced")
            told = [event["flag"] for event in command.events("a flag of KEDA's that has no effect here")]
            assert told == ["--zap-log-level", "--http-max-idle-conns", "--leader-elect"]
            assert command.events("running")[0]["metrics"].startswith("0.0.0.0:")
            assert command.stop() == 0
        assert cluster.stop() == 0
