"""The contract that every scaler passes, for its makers to run: public API.

A scaler's tests inherit a contract class and say how to reach a real server and how to put a number into it:

    class TestDepth(ServerContract):
        trigger_type = "depth"

        @pytest.fixture(autouse=True)
        def _server(self, depth_server): self.server = ("127.0.0.1", depth_server.port)

        def inputs_at(self, name, host, port): return Inputs(metadata={"address": f"{host}:{port}", "queue":
        name})

        async def put(self, name, number): ...

`FaultProxy` stands between a scaler and its server and breaks in the ways networks do. `server_program` finds
a server's program: where it is missing, tests skip on a laptop and fail when CI=true.
"""

import pytest

# Before they are imported, so that their plain assertions explain themselves.
pytest.register_assert_rewrite("scalers.testing.contract", "scalers.testing.server_contract")

from scalers.testing.contract import ContractHost, ScalerContract  # noqa: E402 - see above
from scalers.testing.programs import free_port, server_program  # noqa: E402 - see above
from scalers.testing.proxy import Fault, FaultProxy  # noqa: E402 - see above
from scalers.testing.server_contract import ServerContract, WakesContract  # noqa: E402 - see above

__all__ = [
    "ContractHost",
    "Fault",
    "FaultProxy",
    "ScalerContract",
    "ServerContract",
    "WakesContract",
    "free_port",
    "server_program",
]
