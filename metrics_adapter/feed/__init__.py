"""The feed: what the leading controller knows of metrics, told to adapters in other processes over gRPC.

`feed.proto` is the contract and `feed_pb2` what is generated from it; `codec` turns the store's changes into messages and
back, `server` is the leader's side, `client` the adapter's, `credentials` the certificates of both. Nobody else knows gRPC.
"""

import os

# What goes wrong is told by our own log, in its own form.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
