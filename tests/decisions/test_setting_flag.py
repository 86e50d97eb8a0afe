"""`--set NAME=VALUE`: typed, bounded, and refused by name."""

import pytest
import typer

from scaler.commands.setting import NAMES, overrides
from scaler.settings import ControllerSettings


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("activation=desired", "desired"),
        ("brake_share=0.7", 0.7),
        ("brake_least=0", 0),
        ("wake_budget=100", 100),
        ("allow_loopback_sources=false", False),
        ("retry_cap=30", 30.0),
    ],
)
def test_a_value_has_its_field_s_type(text, value):
    name = text.partition("=")[0]
    found = overrides([text])
    assert found == {name: value}
    assert type(found[name]) is type(value)
    assert getattr(ControllerSettings(**found), name) == value


@pytest.mark.parametrize(
    "text",
    [
        "activation=fast",
        "brake_share=0",
        "brake_share=1.5",
        "wake_budget=-1",
        "wake_budget=0",
        "workers=many",
        "retry_cap=inf",
        "retry_cap=nan",
        "mode=observe",
        "namespaces=a",
        "nothing=1",
        "workers",
    ],
)
def test_what_is_no_setting_or_no_value_is_refused_by_name(text, capsys):
    with pytest.raises(typer.Exit) as refused:
        overrides([text])
    assert refused.value.exit_code == 2
    assert text in capsys.readouterr().err


def test_every_setting_is_reachable():
    assert {"activation", "brake_share", "brake_least", "brake_pace", "wake_budget", "journal_length"} <= set(
        NAMES
    )
