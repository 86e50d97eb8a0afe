"""`tidegate install --print`: what the chart renders to, without Helm."""

import base64

import chart
import pytest
import yaml
from command_line import tidegate, until, up

from metrics_adapter.certificates import brought
from metrics_adapter.feed.credentials import Folder
from scaler.commands import install

IMAGE = "registry.example:5000/team/tidegate@sha256:" + "0" * 64


def stripped(obj, secret):
    """Without what may differ from the chart: labels and annotations, and the certificate."""
    obj = yaml.safe_load(yaml.safe_dump(obj))
    metadata = [obj["metadata"]]
    if obj["kind"] == "Deployment":
        metadata.append(obj["spec"]["template"]["metadata"])
    for place in metadata:
        assert place["labels"].pop("app.kubernetes.io/managed-by", None) == (
            "Helm" if secret is None else "tidegate"
        )
        place["labels"].pop("helm.sh/chart", None)
        place.pop("annotations", None)
    obj["spec"] = {**obj["spec"], "caBundle": ""} if obj["kind"] == "APIService" else obj.get("spec")
    return obj


def test_it_is_the_chart_by_its_defaults():
    values = {
        "image": {"repository": "registry.example:5000/team/tidegate", "digest": IMAGE.partition("@")[2]}
    }
    with chart.Chart.load(chart.CHART) as loaded:
        texts = loaded.render(values, name="tidegate", namespace="ops")
    helm = [o for path, text in texts.items() if path != chart.NOTES for o in yaml.safe_load_all(text) if o]
    helm = [stripped(obj, None) for obj in helm if obj["kind"] != "Secret"]
    home, secret, feed, *rest = yaml.safe_load_all(install.manifests("ops", IMAGE))
    assert [obj["kind"] for obj in (secret, feed)] == ["Secret", "Secret"]
    assert home == {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ops"}}
    plain = [stripped(obj, secret) for obj in rest]
    key = lambda obj: (obj["kind"], obj["metadata"]["name"])  # noqa: E731
    assert sorted(plain, key=key) == sorted(helm, key=key)
    assert "CustomResourceDefinition" not in {obj["kind"] for obj in rest}


def printed(namespace="ops"):
    """What is printed: (kind, name) → the object, and the text."""
    text = install.manifests(namespace, IMAGE)
    return {(obj["kind"], obj["metadata"]["name"]): obj for obj in yaml.safe_load_all(text)}, text


def test_the_certificates_are_made_for_it_and_new_ones_restart_the_pods(tmp_path):
    objects, text = printed()
    assert not [
        word for word in (install.NAMESPACE, install.IMAGE, install.CA, install.CERTIFICATE) if word in text
    ]
    for name in ("tidegate-certs", "tidegate-feed"):
        (tmp_path / name).mkdir()
        for key, value in objects["Secret", name]["data"].items():
            (tmp_path / name / key).write_bytes(base64.b64decode(value))
    serving = tmp_path / "tidegate-certs"
    brought(serving / "tls.crt", serving / "tls.key", "tidegate-metrics.ops.svc")
    Folder(tmp_path / "tidegate-feed")
    (service,) = [obj for (kind, _), obj in objects.items() if kind == "APIService"]
    assert base64.b64decode(service["spec"]["caBundle"]) == (serving / "ca.crt").read_bytes()
    again, _ = printed()
    for name in ("tidegate", "tidegate-adapter"):
        one, other = (o["Deployment", name]["spec"]["template"] for o in (objects, again))
        assert one["metadata"]["annotations"] != other["metadata"]["annotations"]
        mounted = [source["secret"]["name"] for source in one["spec"]["volumes"][0]["projected"]["sources"]]
        assert all(("Secret", secret) in objects for secret in mounted)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "tidegate: install writes nothing into a cluster: give --print"),
        (["--print", "--image", "a b"], "tidegate: --image a b: write it as in a pod"),
        (["--print", "-n", "Ops"], "tidegate: --namespace 'Ops': is no namespace's name"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, words, said):
    done = tidegate("install", *words, home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(said)


@pytest.mark.slow
def test_kubectl_takes_it_and_takes_it_away(tmp_path):
    printed = tidegate("install", "--print", "-n", "ops", home=tmp_path).stdout
    with up("--cluster-only", "--pods", "none", home=tmp_path) as (command, kubectl):
        kubectl("apply", "--validate=strict", "-f", "-", stdin=printed)
        deployment = kubectl.get("deployment", "tidegate", "-n", "ops")
        assert deployment["spec"]["template"]["spec"]["containers"][0]["image"].startswith("tidegate:")
        kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", stdin=printed)
        until(
            lambda: (
                not kubectl(
                    "get", "clusterrole,apiservice", "-o", "name", "-l", "app.kubernetes.io/part-of=tidegate"
                )
            )
        )
        assert command.stop() == 0
