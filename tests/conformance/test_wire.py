"""The metrics adapter answers as KEDA's was recorded to, and takes whatever a kube-apiserver was recorded to send.

One test for each exchange in `wire/adapter-*.json` and `wire/aggregator-to-adapter.json`; a world is wire.py's, where we
promise something else wire_rules.py's.
"""

import json
import re

from wire import compared, differences, world


async def test_wire(case):
    async with world() as there:
        there.holds(case.input, case.output)
        if "response" in case.output:
            want = case.output["response"]
            status, headers, body = await there.ask(case.input)
            wanted = compared(want["status"], want["headers"], want["body"])
            assert differences(wanted, compared(status, headers, body)) == {}
        elif case.input["request"] is None:
            await _shown(there, case)
        elif "method" not in case.input["request"]:
            assert await there.protocol() == "http/1.1"
        else:
            # A stub answered then, so what it said is no measure; that it was asked this way is.
            status, _, body = await there.ask(case.input)
            taken = {200} if case.output["answered"] == 200 else {200, 404, 406, 500}
            assert status in taken, body


async def _shown(there, case):
    """What kubectl printed."""
    what, answered = case.input["what"], case.output["answered"]
    target = what.removeprefix("kubectl get --raw ")
    if target == what:
        namespace = what.rpartition(" ")[2]
        (row,) = answered.splitlines()[1:]
        assert re.split(r"\s{2,}", row.strip())[:-1] == await there.row(namespace)
        return
    path, _, query = target.partition("?")
    given = {"what": "through the aggregator", "request": {"method": "GET", "path": path, "query_raw": query}}
    there.holds(given, {"answered": 200})
    status, _, body = await there.ask(given)
    assert status == 200
    assert differences(json.loads(answered), json.loads(body)) == {}
