"""`tidegate validate`, `render`, `crds` and the help, as shipped: no cluster anywhere."""

import json
import subprocess
import sys

import pytest
import yaml
from command_line import WORKER, tidegate, until, up

FIELDS = ["file", "kind", "name", "path", "problem", "mend"]


def scaled_object(name="web", **spec):
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name},
        "spec": {"scaleTargetRef": {"name": name}, "triggers": [redis()], **spec},
    }


def redis(**metadata):
    metadata = {"address": "redis:6379", "listName": "jobs", **metadata}
    return {
        "type": "redis",
        "metadata": {name: value for name, value in metadata.items() if value is not None},
    }


def write(path, *objects):
    path.write_text(yaml.safe_dump_all(objects))
    return path


def checked(home, *words, code, **options):
    """The JSON of a validate, whose shape is checked."""
    done = tidegate("validate", *words, "-o", "json", home=home, **options)
    assert done.returncode == code, done.stderr
    found = json.loads(done.stdout)
    assert list(found) == ["ok", "problems", "warnings"]
    assert found["ok"] is (code == 0)
    for finding in (*found["problems"], *found["warnings"]):
        assert list(finding) == FIELDS
        assert all(isinstance(value, str) for value in finding.values())
    return found


def paths(findings):
    return [finding["path"] for finding in findings]


def test_good_manifests(tmp_path):
    done = tidegate("validate", "-f", WORKER, home=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "1 object, 0 problems, 0 warnings\n"
    assert checked(tmp_path, "-f", WORKER, code=0) == {"ok": True, "problems": [], "warnings": []}


def test_all_problems_at_once_as_text(tmp_path):
    bad = scaled_object(
        minReplicaCount=7,
        maxReplicaCount=5,
        pollingInterval="often",
        triggers=[
            redis(listName=None, listLength="many"),
            redis(listLength=5),
            {"type": "redsi", "metadata": {}},
        ],
    )
    write(tmp_path / "bad.yaml", scaled_object("good"), bad)
    done = tidegate("validate", "-f", "bad.yaml", home=tmp_path)
    assert done.returncode == 1
    start = "bad.yaml: ScaledObject/web: spec."
    assert done.stdout.splitlines() == [
        f"{start}pollingInterval: is text, not a whole number; write digits only",
        f"{start}triggers[1].metadata.listLength: is a number, not text; put quotes around it",
        f"{start}minReplicaCount: 7 is above maxReplicaCount 5; lower it, or raise spec.maxReplicaCount",
        f"{start}triggers[0].metadata.listName: is required; give listName in metadata",
        f"{start}triggers[0].metadata.listLength: 'many' is no whole number: write digits only, such as 5",
        f"{start}triggers[2].type: no scaler found for type: redsi; did you mean redis?",
    ]
    assert done.stderr == "2 objects, 6 problems, 0 warnings\n"


def test_problems_as_json(tmp_path):
    found = checked(tmp_path, "-f", write(tmp_path / "a.yaml", scaled_object(triggers=[])), code=1)
    assert found["problems"] == [
        {
            "file": str(tmp_path / "a.yaml"),
            "kind": "ScaledObject",
            "name": "web",
            "path": "spec.triggers",
            "problem": found["problems"][0]["problem"],
            "mend": found["problems"][0]["mend"],
        }
    ]
    assert found["problems"][0]["problem"]


def test_warnings_change_nothing(tmp_path):
    write(tmp_path / "a.yaml", scaled_object(cooldownPeriod=60, minReplicaCount=1, minReplicaCont=1))
    found = checked(tmp_path, "-f", "a.yaml", code=0)
    assert sorted(paths(found["warnings"])) == ["spec.cooldownPeriod", "spec.minReplicaCont"]
    done = tidegate("validate", "-f", "a.yaml", home=tmp_path)
    assert done.returncode == 0
    assert all(
        line.startswith("warning: a.yaml: ScaledObject/web: spec.") for line in done.stdout.splitlines()
    )
    assert done.stderr == "1 object, 0 problems, 2 warnings\n"


def test_what_only_the_webhook_refuses_is_marked(tmp_path):
    write(tmp_path / "a.yaml", scaled_object("a", scaleTargetRef={"name": "web"}), scaled_object("b"))
    write(tmp_path / "b.yaml", scaled_object("c", scaleTargetRef={"name": "web"}))
    words = ["-f", "a.yaml", "-f", "b.yaml"]
    done = tidegate("validate", *words, home=tmp_path)
    assert done.returncode == 1
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == ["a.yaml", "b.yaml"]
    assert all(line.endswith(" (webhook only: other-scaled-object)") for line in done.stdout.splitlines())
    found = json.loads(tidegate("validate", *words, "-o", "json", home=tmp_path).stdout)
    assert [list(problem) for problem in found["problems"]] == [[*FIELDS, "refused_by", "reason"]] * 2
    assert tidegate("render", *words, home=tmp_path).returncode == 0  # The controller runs them.


def test_what_only_others_could_supply_is_taken_as_present(tmp_path):
    """The address comes from the environment, the address and password from a TriggerAuthentication that is not shown."""
    from_env = redis(address=None, addressFromEnv="REDIS", passwordFromEnv="SECRET")
    from_auth = redis(address=None) | {"authenticationRef": {"name": "elsewhere"}}
    write(tmp_path / "a.yaml", scaled_object(triggers=[from_env]), scaled_object("b", triggers=[from_auth]))
    found = checked(tmp_path, "-f", "a.yaml", code=0)
    assert found["warnings"] == []
    # Without the reference nobody could supply it.
    write(tmp_path / "b.yaml", scaled_object(triggers=[redis(address=None)]))
    assert checked(tmp_path, "-f", "b.yaml", code=1)["problems"]


def test_several_files_folders_lists_and_stdin(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    write(folder / "b.yml", scaled_object("b", triggers=[]))
    (folder / "a.json").write_text(json.dumps(scaled_object("a", triggers=[])))
    (folder / "notes.txt").write_text("no: manifest: at all")
    (folder / "sub.yaml").mkdir()
    listed = {
        "apiVersion": "v1",
        "kind": "List",
        "items": [scaled_object("c", triggers=[]), scaled_object("d")],
    }
    write(tmp_path / "list.yaml", listed)
    stdin = yaml.safe_dump_all(
        [scaled_object("e", triggers=[]), None, {"kind": "Service", "apiVersion": "v1"}]
    )
    words = ("-f", "folder", "-f", "list.yaml", "-")
    found = checked(tmp_path, *words, code=1, stdin=stdin.encode())
    assert [(finding["file"], finding["name"]) for finding in found["problems"]] == [
        ("folder/a.json", "a"),
        ("folder/b.yml", "b"),
        ("list.yaml", "c"),
        ("-", "e"),
    ]


def test_text_that_is_no_manifest(tmp_path):
    (tmp_path / "broken.yaml").write_text("kind: ScaledObject\nspec: [\n---\n")
    (tmp_path / "latin.yaml").write_bytes("a: 1\nb: caf\u00e9\n".encode("latin-1"))
    (tmp_path / "deep.yaml").write_text("[" * 100_000)
    (tmp_path / "word.yaml").write_text("hello")
    (tmp_path / "empty.yaml").write_text("")
    (tmp_path / "comment.yaml").write_text("---\n# nothing\n---\n")
    write(tmp_path / "last.yaml", scaled_object(triggers=[]))
    names = ["broken", "latin", "deep", "word", "empty", "comment", "last"]
    found = checked(tmp_path, *(word for name in names for word in ("-f", f"{name}.yaml")), code=1)
    assert [(finding["file"], finding["path"]) for finding in found["problems"]] == [
        ("broken.yaml", "line 3, column 1"),
        ("latin.yaml", "line 2"),
        ("deep.yaml", "line 1, column 101"),
        ("word.yaml", ""),
        ("last.yaml", "spec.triggers"),
    ]
    done = tidegate("validate", "-f", "latin.yaml", home=tmp_path)
    assert done.stdout == "latin.yaml: line 2: is not UTF-8 text; save the file as UTF-8\n"
    done = tidegate("validate", "-f", "empty.yaml", home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "0 objects, 0 problems, 0 warnings\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--filename"),
        (["-f", "missing.yaml"], "tidegate: missing.yaml: No such file or directory"),
        (["-f", "."], "tidegate: .: no .yaml, .yml or .json file in this folder"),
        (["-f", "-", "-o", "xml"], "--output"),
        (["word"], "--filename"),
        (["-f", "-", "missing.yaml"], "tidegate: missing.yaml: No such file or directory"),
    ],
)
@pytest.mark.parametrize("command", ["validate", "render"])
def test_usage(tmp_path, command, words, message):
    done = tidegate(command, *words, home=tmp_path)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert not done.stdout


def test_render(tmp_path):
    write(tmp_path / "a.yaml", scaled_object("a", minReplicaCount=2), scaled_object("b", maxReplicaCount=3))
    done = tidegate("render", "-f", "a.yaml", home=tmp_path)
    assert done.returncode == 0, done.stderr
    stream = list(yaml.safe_load_all(done.stdout))
    assert [hpa["metadata"]["name"] for hpa in stream] == ["keda-hpa-a", "keda-hpa-b"]
    assert {(hpa["apiVersion"], hpa["kind"]) for hpa in stream} == {
        ("autoscaling/v2", "HorizontalPodAutoscaler")
    }
    assert [hpa["spec"]["minReplicas"] for hpa in stream] == [2, 1]
    done = tidegate("render", "-f", "a.yaml", "-o", "json", home=tmp_path)
    listed = json.loads(done.stdout)
    assert (listed["apiVersion"], listed["kind"], listed["items"]) == ("v1", "List", stream)


def test_render_what_can_be_rendered(tmp_path):
    write(tmp_path / "a.yaml", scaled_object("a", triggers=[]), scaled_object("b"))
    done = tidegate("render", "-f", "a.yaml", home=tmp_path)
    assert done.returncode == 1
    assert [hpa["metadata"]["name"] for hpa in yaml.safe_load_all(done.stdout)] == ["keda-hpa-b"]
    assert done.stderr.startswith("a.yaml: ScaledObject/a: spec.triggers: ")
    done = tidegate("render", "-f", "-", home=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    done = tidegate("render", "-f", "-", "-o", "json", home=tmp_path)
    assert json.loads(done.stdout)["items"] == []


def test_the_crds_are_small_and_keep_what_they_do_not_know(tmp_path):
    text = tidegate("crds", home=tmp_path).stdout
    crds = {crd["spec"]["names"]["kind"]: crd for crd in yaml.safe_load_all(text)}
    assert sorted(crds) == ["ClusterTriggerAuthentication", "ScaledObject", "TriggerAuthentication"]
    for crd in crds.values():
        assert len(json.dumps(crd).encode()) < 200_000
        assert len(yaml.safe_dump(crd).encode()) < 200_000


@pytest.mark.slow
def test_a_cluster_takes_the_crds(tmp_path):
    text = tidegate("crds", home=tmp_path).stdout
    with up("--cluster-only", "--pods", "none", home=tmp_path) as (command, kubectl):
        assert kubectl("apply", "-f", "-", stdin=text).count(" created") == 3
        assert kubectl("apply", "-f", "-", stdin=text).count(" unchanged") == 3
        assert (
            kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text).count("applied")
            == 3
        )
        kubectl("wait", "crd", "--all", "--for=condition=Established", "--timeout=20s")
        unknown = scaled_object(later={"deep": [{"a": 1}]})
        unknown["spec"]["triggers"][0]["later"] = "x"
        authentication = {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "TriggerAuthentication",
            "metadata": {"name": "a"},
            "spec": {"later": {"b": True}, "env": [{"parameter": "p", "name": "X", "later": 1}]},
        }
        kubectl.apply(yaml.safe_dump_all([unknown, authentication]))
        assert until(lambda: kubectl.get("so", "web")["spec"]) == unknown["spec"]
        assert kubectl.get("ta", "a")["spec"] == authentication["spec"]
        refused = kubectl(
            "apply", "-f", "-", stdin=yaml.safe_dump(scaled_object("x", triggers="none")), code=1
        )
        assert "spec.triggers" in refused
        assert command.stop() == 0


def test_help_and_version(tmp_path):
    done = tidegate("--help", home=tmp_path)
    assert done.returncode == 0
    for command in ("demo", "up", "run", "validate", "render", "crds"):
        assert command in done.stdout
        own = tidegate(command, "-h", home=tmp_path)
        assert own.returncode == 0
        assert f"tidegate {command}" in own.stdout
    assert tidegate("--version", home=tmp_path).stdout == "tidegate 0.1.0\n"
    assert tidegate(home=tmp_path).returncode == 2
    assert tidegate("unknown", home=tmp_path).returncode == 2


def test_the_command_line_itself_imports_little():
    """Help and shell completion answer at once; each command imports what it needs."""
    heavy = (
        "kubernetes",
        "aiohttp",
        "redis",
        "pydantic",
        "cryptography",
        "prometheus_client",
        "structlog",
        "yaml",
    )
    script = f"import sys, scaler.cli; print(sorted(set({heavy!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_offline_commands_import_no_client():
    heavy = ("kubernetes", "aiohttp", "prometheus_client", "matplotlib", "fakeredis")
    script = f"import sys, scaler.commands.checking; print(sorted(set({heavy!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
