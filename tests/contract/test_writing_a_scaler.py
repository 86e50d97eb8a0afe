"""The page docs/writing-a-scaler.md, done as it says: its files are written out, installed, and its contract is green."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TIDEGATE = ("-c", "from scaler.cli import main; main()")
PAGE = Path(__file__).parents[2] / "docs" / "writing-a-scaler.md"
_FILE = re.compile(r"^<!-- file: (\S+) -->\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The folder of the project; the blocks of a file follow each other in the page."""
    folder = tmp_path_factory.mktemp("depth")
    for name, text in _FILE.findall(PAGE.read_text(encoding="utf-8")):
        with (folder / name).open("a", encoding="utf-8") as file:
            file.write(text + "\n\n")
    done = run(
        folder,
        *("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"),
        *("--no-build-isolation", "--target", "site", "."),
    )
    assert done.returncode == 0, done.stderr
    return folder


def run(folder, *arguments):
    # Of the page's own project, whatever runs this test has no say in it.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    env["PYTHONPATH"] = str(folder / "site")
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_the_contract_is_green(project):
    done = run(project, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir=.")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    passed = re.search(r"^(\d+) passed", done.stdout, re.MULTILINE)
    assert passed is not None, done.stdout
    assert int(passed[1]) > 20
    assert "skipped" not in done.stdout


def test_the_manifest_is_valid_where_the_scaler_is_installed(project):
    done = run(project, *TIDEGATE, "validate", "-f", "scaledobject.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == "1 object, 0 problems, 0 warnings\n"


def test_a_rule_of_the_page_s_scaler_is_told_to_the_user(project):
    text = (project / "scaledobject.yaml").read_text(encoding="utf-8")
    (project / "wrong.yaml").write_text(text.replace(":7000", ""), encoding="utf-8")
    done = run(project, *TIDEGATE, "validate", "-f", "wrong.yaml")
    assert done.returncode == 1
    assert "spec.triggers[0].metadata.address: 'depth.shop.svc' has no port" in done.stdout + done.stderr
