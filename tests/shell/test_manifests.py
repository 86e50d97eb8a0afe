"""Files, folders and standard input as documents, and what stands for text that is none."""

import io
import os

import pytest

from scaler.manifests import ManifestError, documents
from scalers._lib.problem import Problem


class _Stdin:
    """Standard input with these bytes."""

    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


def test_files_in_the_order_given(tmp_path):
    for name, text in {"b.yaml": "b: 1\n---\nb: 2\n", "a.json": '{"a": [1, 2.5, null, "x"]}'}.items():
        (tmp_path / name).write_text(text)
    b, a = str(tmp_path / "b.yaml"), str(tmp_path / "a.json")
    assert list(documents([b, a])) == [(b, {"b": 1}), (b, {"b": 2}), (a, {"a": [1, 2.5, None, "x"]})]


def test_a_folder_is_its_manifests(tmp_path):
    for name in ("c.yml", "a.yaml", "b.json", "README.md", "x.yaml.bak"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "deeper.yaml").mkdir()
    found = [file for file, _ in documents([str(tmp_path)])]
    assert found == [str(tmp_path / name) for name in ("a.yaml", "b.json", "c.yml")]


def test_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", _Stdin(b"a: 1\n---\n# nothing\n---\nb: 2\n"))
    assert list(documents(["-"])) == [("-", {"a": 1}), ("-", {"b": 2})]


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert list(documents([str(path)])) == [(str(path), {"a": 1})]


def test_text_that_is_no_yaml_keeps_nothing_else_from_being_read(tmp_path):
    for name, data in {
        "a.yaml": b"a: 1\n---\nb: [\n",
        "b.yaml": b"x: 1\ny: \xe9\n",
        "c.yaml": b"c: 1",
    }.items():
        (tmp_path / name).write_bytes(data)
    found = [document for _, document in documents([str(tmp_path)])]
    assert found == [
        {"a": 1},
        Problem(
            "line 4, column 1",
            "is no YAML that can be read: while parsing a flow node, did not find expected node content",
        ),
        Problem("line 2", "is not UTF-8 text", "save the file as UTF-8"),
        {"c": 1},
    ]


def test_files_that_cannot_be_read(tmp_path):
    missing = str(tmp_path / "missing.yaml")
    with pytest.raises(ManifestError, match=r"missing\.yaml: No such file or directory"):
        list(documents([missing]))
    with pytest.raises(ManifestError, match=r"no \.yaml, \.yml or \.json file in this folder"):
        list(documents([str(tmp_path)]))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_that_may_not_be_read(tmp_path):
    path = tmp_path / "secret.yaml"
    path.write_text("a: 1")
    path.chmod(0)
    with pytest.raises(ManifestError, match=r"secret\.yaml: Permission denied"):
        list(documents([str(path)]))
