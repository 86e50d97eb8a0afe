"""A trigger's source on this machine: reached with a kubeconfig, refused where `allow_loopback_sources` is false."""

import pytest
from controlled import controlled

from scaler.app import _placed
from scaler.kube.access import Access
from scaler.settings import ControllerSettings

pytestmark = pytest.mark.server


class Pod(Access):
    """The access of a pod."""

    in_cluster = True


@pytest.mark.parametrize(
    ("setting", "access", "allowed"),
    [
        (None, Access("https://api.test"), True),
        (None, Pod("https://api.test"), False),
        (True, Pod("https://api.test"), True),
        (False, Access("https://api.test"), False),
    ],
)
def test_where_we_run_decides_unless_it_is_set(setting, access, allowed):
    placed = _placed(ControllerSettings(allow_loopback_sources=setting), access)
    assert placed.allow_loopback_sources is allowed


async def test_a_loopback_source_is_refused_by_name(redis):
    async with controlled(redis, settings=ControllerSettings(allow_loopback_sources=False)) as run:
        run.deployment()
        run.scaled_object()
        run.push(3)
        await run.until(lambda: run.ready() == ("False", "ScaledObjectCheckFailed"))
        assert "loopback" in run.message()
        assert run.replicas() == 0
        assert redis.clients() == 0
