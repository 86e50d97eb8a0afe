"""`tidegate install --print`: what the chart renders to, without Helm."""

import base64

import chart
import pytest
import yaml
from command_line import tidegate, until, up

from metrics_adapter.certificates import brought
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
    home, secret, *rest = yaml.safe_load_all(install.manifests("ops", IMAGE))
    assert home == {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ops"}}
    plain = [stripped(obj, secret) for obj in rest]
    key = lambda obj: (obj["kind"], obj["metadata"]["name"])  # noqa: E731
    assert sorted(plain, key=key) == sorted(helm, key=key)
    assert "CustomResourceDefinition" not in {obj["kind"] for obj in rest}


def test_the_certificate_is_made_for_it_and_a_new_one_restarts_the_pods(tmp_path):
    text = install.manifests("ops", IMAGE)
    assert not [
        word for word in (install.NAMESPACE, install.IMAGE, install.CA, install.CERTIFICATE) if word in text
    ]
    objects = {obj["kind"]: obj for obj in yaml.safe_load_all(text)}
    data = {key: base64.b64decode(value) for key, value in objects["Secret"]["data"].items()}
    for key in ("tls.crt", "tls.key"):
        (tmp_path / key).write_bytes(data[key])
    brought(tmp_path / "tls.crt", tmp_path / "tls.key", "tidegate-metrics.ops.svc")
    assert base64.b64decode(objects["APIService"]["spec"]["caBundle"]) == data["ca.crt"]
    mounted = objects["Deployment"]["spec"]["template"]["spec"]["volumes"][0]["secret"]["secretName"]
    assert mounted == objects["Secret"]["metadata"]["name"]
    again = {obj["kind"]: obj for obj in yaml.safe_load_all(install.manifests("ops", IMAGE))}
    one, other = (o["Deployment"]["spec"]["template"]["metadata"]["annotations"] for o in (objects, again))
    assert one != other


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
