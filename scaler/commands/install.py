"""`tidegate install --print`: the manifests of an installation, without Helm.

`install.yaml` beside this module is what the chart renders to by its defaults, with a word in place of each of the
things that differ: namespace, image and CA. It is written by deploy/generate.py and by nothing else, so the chart is the
only source; what else may be set is set by Helm. The certificates are made here, and their Secrets added.
"""

import base64
import hashlib
import string
from collections.abc import Mapping
from importlib.resources import files

import typer

from metrics_adapter.certificates import self_signed
from metrics_adapter.feed.credentials import NAME as FEED_NAME
from scaler.commands import flags, process
from scaler.pki import KeyPair, issue, make_ca
from scaler.yaml_text import documents, dump

__all__ = [
    "CA",
    "CERTIFICATE",
    "FEED_SECRET",
    "IMAGE",
    "NAMESPACE",
    "SECRET",
    "SERVICE",
    "command",
    "manifests",
]

_IMAGE = frozenset(string.ascii_letters + string.digits + "._-/:@")

NAMESPACE, IMAGE, CA, CERTIFICATE = (
    "namespace-goes-here",
    "image-goes-here",
    "Y2EtZ29lcy1oZXJl",
    "digest-goes-here",
)
"""What stands in `install.yaml` for them; CA and CERTIFICATE (a digest, so that a new one restarts the pods) are text."""

SERVICE, SECRET, FEED_SECRET = "tidegate-metrics", "tidegate-certs", "tidegate-feed"
_DAYS, _COMPONENT = 3650, "app.kubernetes.io/component"


def command(namespace: str, image: str, *, printed: bool) -> None:
    """Print the manifests. Exit 2 for flags that cannot be."""
    if not printed:
        raise process.fail(
            "install writes nothing into a cluster: give --print, and hand what is printed to kubectl apply -f -",
            process.USAGE,
        )
    (home,) = flags.namespaces([namespace])
    if not image or set(image) - _IMAGE:
        raise flags.refuse("--image", image, "write it as in a pod, such as registry.example/tidegate:0.1.0")
    typer.echo(manifests(home, image), nl=False)


def manifests(namespace: str, image: str) -> str:
    """The YAML stream of an installation: its namespace, the Secrets with new certificates, and what the chart renders."""
    ca, pair = self_signed(SERVICE, namespace)
    feed_ca = make_ca(f"{FEED_NAME} CA", days=_DAYS)
    feed = issue(feed_ca, FEED_NAME, hosts=[FEED_NAME], peer=True, days=_DAYS)
    digest = hashlib.sha256(pair.certificate + feed.certificate).hexdigest()
    text = files("scaler.commands").joinpath("install.yaml").read_text("utf-8")
    replaced = {NAMESPACE: namespace, IMAGE: image, CA: base64.b64encode(ca).decode(), CERTIFICATE: digest}
    for word, value in replaced.items():
        text = text.replace(word, value)
    objects = list(documents(text))
    labels = {key: value for key, value in objects[0]["metadata"]["labels"].items() if key != _COMPONENT}
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    secrets = {SECRET: (ca, pair), FEED_SECRET: (feed_ca.certificate, feed)}
    made = [_secret(name, namespace, labels, *of) for name, of in secrets.items()]
    return dump([home, *made, *objects])


def _secret(
    name: str, namespace: str, labels: Mapping[str, str], ca: bytes, pair: KeyPair
) -> dict[str, object]:
    data = {"ca.crt": ca, "tls.crt": pair.certificate, "tls.key": pair.key}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "type": "kubernetes.io/tls",
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }
