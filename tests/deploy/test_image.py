"""The image's recipe, what builds it, and its bill of materials; nothing is built here."""

import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def load(name):
    """A module of deploy/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, DEPLOY / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


locks = load("_locks")


def stages():
    """The stages of the Dockerfile, each a list of (instruction, rest)."""
    text = re.sub(r"\\\n\s*", " ", (DEPLOY / "Dockerfile").read_text("utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pairs = [tuple(line.split(" ", 1)) for line in lines]
    starts = [number for number, (word, _) in enumerate(pairs) if word == "FROM"]
    assert pairs[: starts[0]] == [("ARG", pairs[0][1])]
    assert pairs[0][1].startswith("BASE=")
    return [pairs[a:b] for a, b in zip(starts, [*starts[1:], None], strict=True)]


def test_two_stages_on_one_base():
    build, final = stages()
    assert build[0] == ("FROM", "${BASE} AS build")
    assert final[0] == ("FROM", "${BASE}")


def test_the_result_has_what_the_first_stage_made_and_runs_as_nobody():
    _, final = stages()
    words = [word for word, _ in final]
    assert set(words) == {"FROM", "LABEL", "COPY", "ENV", "USER", "WORKDIR", "ENTRYPOINT", "CMD"}
    assert [rest for word, rest in final if word == "COPY"] == ["--from=build /opt/tidegate /opt/tidegate"]
    (user,) = [rest for word, rest in final if word == "USER"]
    # A number: the kubelet cannot tell of a name that it is not root (runAsNonRoot).
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    entry = json.loads(next(rest for word, rest in final if word == "ENTRYPOINT"))
    assert entry == ["/opt/tidegate/bin/tidegate"]


def test_all_that_is_installed_is_locked_by_hash():
    build, _ = stages()
    assert not any(word == "ADD" for word, _ in build)
    assert not any(re.search(r"\b(curl|wget|apt|apk|sudo|latest)\b", rest) for _, rest in build)
    installs = [rest for word, rest in build if word == "RUN" and '"install"' in rest]
    assert len(installs) == 2
    for rest in installs:
        words = json.loads(rest)
        assert {"--require-hashes", "--no-deps", "--only-binary=:all:", "-r"} <= set(words)
        assert words[-1] in {"/src/build.lock", "/src/requirements.lock"}
    (own,) = [rest for word, rest in build if word == "RUN" and " install " in rest]
    assert "--no-deps /src/dist/tidegate-" in own


def test_only_what_is_copied_is_sent_to_the_builder():
    build, _ = stages()
    wanted = {name for word, rest in build if word == "COPY" for name in rest.split()[:-1]}
    ignore = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert ignore[0] == "*"
    assert {line[1:] for line in ignore if line.startswith("!")} == wanted
    assert all((ROOT / name).exists() for name in wanted)


def test_the_lock_has_nothing_to_draw_test_or_build_with():
    names = {package.name for package in locks.locked((ROOT / "requirements.lock").read_text("utf-8"))}
    assert len(names) > 20
    assert not names & {
        "fakeredis", "grpcio-tools", "hatchling", "helm-python-sdk", "hypothesis", "matplotlib", "moto", "mypy", "numpy",
        "pip", "pytest", "ruff", "setuptools", "uvloop",
    }  # fmt: skip


def test_what_the_wheel_is_built_with_is_all_that_hatchling_needs():
    needed, left = set(), ["hatchling"]
    while left:
        name = left.pop()
        if name not in needed:
            needed.add(name)
            for text in importlib.metadata.requires(name) or ():
                requirement = Requirement(text)
                if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                    left.append(requirement.name)
    assert needed == set(locks.BUILD)


# The bill of materials.


def test_the_bill_names_every_locked_package_and_no_other():
    bill = json.loads((DEPLOY / "sbom.cdx.json").read_text("utf-8"))
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", bill["serialNumber"])
    assert bill["metadata"]["component"]["version"] == importlib.metadata.version("tidegate")
    found = {(part["name"], part["version"]) for part in bill["components"]}
    assert found == set(re.findall(r"^([\w.-]+)==([^ ;\\]+)", lock, re.MULTILINE))
    assert len({part["bom-ref"] for part in bill["components"]}) == len(bill["components"])
    digests = {
        item["content"]
        for part in bill["components"]
        for reference in part["externalReferences"]
        for item in reference["hashes"]
    }
    assert digests == set(re.findall(r"--hash=sha256:(\w+)", lock))


def test_another_lock_is_another_bill():
    lock = "one==1.0 \\\n    --hash=sha256:" + "a" * 64 + "\n"
    more = lock + "win==2 ; sys_platform == 'win32' \\\n    --hash=sha256:" + "b" * 64 + "\n"
    first, second = json.loads(locks.sbom(lock, "1")), json.loads(locks.sbom(more, "1"))
    assert locks.sbom(lock, "1") == locks.sbom(lock, "1")
    assert first["serialNumber"] != second["serialNumber"]
    assert second["components"][1]["scope"] == "optional"
    assert "scope" not in second["components"][0]


@pytest.mark.parametrize("lock", ["one==1.0\n", "--index-url https://example.com\n", "one>=1\n"])
def test_a_lock_that_is_none_is_refused(lock):
    with pytest.raises(ValueError, match="hash"):
        list(locks.locked(lock))


# The script.


def script(tmp_path, *words, buildah=True, **environment):
    """deploy/build.sh with a buildah that only writes down what it is asked."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sed", "dirname"):
        (tools / name).symlink_to(
            next(p for p in (Path("/usr/bin") / name, Path("/bin") / name) if p.exists())
        )
    said = tmp_path / "said"
    if buildah:
        (tools / "buildah").write_text(f'#!/bin/sh\necho "$PWD: $@" >> {said}\n')
        (tools / "buildah").chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", str(DEPLOY / "build.sh"), *words],
        env={"PATH": str(tools), **environment}, capture_output=True, text=True, timeout=30, check=False, cwd=tmp_path,
    )  # fmt: skip
    return done, said.read_text().splitlines() if said.exists() else []


def test_without_buildah_it_says_what_to_do(tmp_path):
    done, _ = script(tmp_path, buildah=False)
    assert done.returncode == 2
    assert "buildah is missing" in done.stderr


def test_it_builds_from_the_root_with_the_version_as_tag(tmp_path):
    done, said = script(tmp_path)
    version = importlib.metadata.version("tidegate")
    assert said == [f"{ROOT}: build --file deploy/Dockerfile --tag tidegate:{version} --format oci ."]
    assert done.stdout == f"built tidegate:{version}\n"


def test_base_tag_archive_and_more_words(tmp_path):
    _, said = script(tmp_path, "r.example/t:2", "--", "--no-cache", BASE="b@sha256:1", ARCHIVE="/tmp/o")
    build = "--build-arg BASE=b@sha256:1 --file deploy/Dockerfile --tag r.example/t:2 --format oci --no-cache"
    assert said == [
        f"{ROOT}: build {build} .",
        f"{ROOT}: push r.example/t:2 oci-archive:/tmp/o:r.example/t:2",
    ]
    assert os.access(DEPLOY / "build.sh", os.X_OK)
