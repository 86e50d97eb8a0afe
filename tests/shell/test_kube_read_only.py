"""A client that may only read sends nothing that changes an object, whoever asks it to."""

import pytest
from scripted_api import ScriptedApi, answers, thing

from scaler.clock import SystemClock
from scaler.kube.client import Kube
from scaler.kube.errors import KubeError, ReadOnly
from scaler.kube.resources import CONFIG_MAPS, DEPLOYMENTS, SERVICE_ACCOUNTS


async def test_only_reads_and_token_requests_are_sent():
    api = await ScriptedApi().start()
    try:
        async with Kube(api.access, SystemClock(), read_only=True) as kube:
            obj = thing("a", 7)
            writes = [
                lambda: kube.create(CONFIG_MAPS, obj),
                lambda: kube.replace(CONFIG_MAPS, obj),
                lambda: kube.patch(CONFIG_MAPS, "a", {}, "shop"),
                lambda: kube.patch(CONFIG_MAPS, "a", {}, "shop", subresource="status"),
                lambda: kube.patch_scale(DEPLOYMENTS, "a", "shop", 3),
                lambda: kube.delete(CONFIG_MAPS, "a", "shop"),
                lambda: kube.raw("/api/v1/namespaces", method="POST", body=b"{}"),
            ]
            for write in writes:
                with pytest.raises(ReadOnly, match="not sent, since this process only observes") as caught:
                    await write()
                assert isinstance(caught.value, KubeError)
            assert api.requests == []
            api.paths["/api/v1/namespaces/shop/configmaps/a"] = answers(200, obj)
            assert (await kube.get(CONFIG_MAPS, "a", "shop"))["metadata"]["name"] == "a"
            token = {"metadata": {"name": "runner", "namespace": "shop"}, "kind": "TokenRequest"}
            api.paths["/api/v1/namespaces/shop/serviceaccounts/runner/token"] = answers(201, token)
            await kube.create(SERVICE_ACCOUNTS, token, subresource="token")
            assert [request.method for request in api.requests] == ["GET", "POST"]
    finally:
        await api.stop()
