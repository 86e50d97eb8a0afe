"""KEDA's flags on our command line: taken, told of, and nothing else with them."""

import pytest
import typer

from scaler import cli
from scaler.commands.keda_flags import PREFIXES, SWITCHES, WITH_VALUE, UnknownFlagError, ignored


def test_each_form_is_taken_and_named_once() -> None:
    words = [
        "--zap-log-level=info",
        "--kube-api-qps",
        "20",
        "--leader-elect",
        "--enable-cert-rotation=true",
        "--v=0",
    ]
    assert list(ignored(words)) == [
        "--zap-log-level", "--kube-api-qps", "--leader-elect", "--enable-cert-rotation", "--v",
    ]  # fmt: skip


def test_a_chart_that_knows_more_than_its_program_does_not_end_us() -> None:
    # KEDA's chart 2.20.2 always passes these three; KEDA's own program of that time ends for them.
    words = ["--http-max-idle-conns=0", "--http-max-idle-conns-per-host=1000", "--http-idle-conn-timeout=90s"]
    assert len(list(ignored(words))) == 3


def test_the_value_of_a_flag_may_look_like_one() -> None:
    assert list(ignored(["--v", "-1"])) == ["--v"]
    assert list(ignored(["--requestheader-allowed-names", "front-proxy"])) == [
        "--requestheader-allowed-names"
    ]


@pytest.mark.parametrize(
    "words", [["--regster"], ["stray"], ["--leader-elect", "true"], ["--kube-api-qps"], ["-z"]]
)
def test_anything_else_is_a_mistake(words: list[str]) -> None:
    with pytest.raises(UnknownFlagError):
        list(ignored(words))


def test_none_of_ours_is_in_the_lists() -> None:
    options = typer.main.get_command(cli.app).commands["run"].params  # type: ignore[attr-defined]
    ours = {name for option in options for name in option.opts}
    assert not ours & (SWITCHES | WITH_VALUE)
    assert not any(name.startswith(PREFIXES) for name in ours)
