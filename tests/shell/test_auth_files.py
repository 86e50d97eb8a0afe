"""Files of a ClusterTriggerAuthentication: what may be read, what may not, and that changes are seen."""

import asyncio
import json
import os

import pytest

from scaler.control.files import FileRefused, Files, read
from scaler.control.references import Ref


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "auth"
    folder.mkdir()
    (folder / "good.json").write_text('{"password": "hunter2"}')
    (tmp_path / "outside.json").write_text('{"password": "stolen"}')
    return folder


def test_a_file_below_the_directory(root):
    assert read(str(root), "good.json") == {"password": "hunter2"}
    (root / "team").mkdir()
    (root / "team" / "a.json").write_text("{}")
    assert read(str(root), "team/a.json") == {}
    assert read(str(root), "./team//a.json") == {}


def test_a_mounted_secret_is_made_of_links(root):
    """Kubernetes' way to change a volume at once: file → ..data/file, ..data → a dated folder."""
    (root / "..2026").mkdir()
    (root / "..2026" / "a.json").write_text('{"k": "v"}')
    (root / "..data").symlink_to("..2026")
    (root / "a.json").symlink_to("..data/a.json")
    assert read(str(root), "a.json") == {"k": "v"}


def test_the_directory_itself_may_be_a_link(root, tmp_path):
    (tmp_path / "alias").symlink_to(root)
    assert read(str(tmp_path / "alias"), "good.json") == {"password": "hunter2"}


def attack_link_out(root):
    (root / "bad").symlink_to(root.parent / "outside.json")
    return "bad"


def attack_folder_link_out(root):
    (root / "up").symlink_to(root.parent)
    return "up/outside.json"


def attack_circle(root):
    (root / "a").symlink_to(root / "b")
    (root / "b").symlink_to(root / "a")
    return "a"


def attack_pipe(root):
    os.mkfifo(root / "pipe")
    return "pipe"


def attack_bomb(root):
    (root / "bomb").write_text(json.dumps({"k": "x" * (1 << 20)}))
    return "bomb"


def attack_depth(root):
    (root / "deep").write_text("[" * 500_000)
    return "deep"


ATTACKS = {
    "parent": (lambda _: "../outside.json", "without `..`"),
    "parent within": (lambda _: "team/../../outside.json", "without `..`"),
    "absolute": (lambda root: str(root.parent / "outside.json"), "below the directory"),
    "absolute within": (lambda root: str(root / "good.json"), "below the directory"),
    "nul": (lambda _: "good.json\0.txt", "below the directory"),
    "link out": (attack_link_out, "leads out of the directory"),
    "folder link out": (attack_folder_link_out, "leads out of the directory"),
    "links in a circle": (attack_circle, ""),
    "the directory": (lambda _: ".", "leads out of the directory"),
    "a pipe": (attack_pipe, "is no regular file"),
    "a bomb": (attack_bomb, "is larger than 1048576 bytes"),
    "deep": (attack_depth, "is no JSON"),
    "absent": (lambda _: "none.json", "No such file"),
    "a folder of a file": (lambda _: "good.json/x", ""),
    "half a character": (lambda _: "\ud800", "is no text"),
    "too long a name": (lambda _: "x" * 5000, ""),
}


@pytest.mark.parametrize(("attack", "words"), ATTACKS.values(), ids=ATTACKS)
def test_what_may_not_be_read(root, attack, words):
    with pytest.raises(FileRefused) as caught:
        read(str(root), attack(root))
    assert words in str(caught.value)
    assert "stolen" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        '"text"',
        '{"port": 5}',
        '{"a": {"b": "c"}}',
        '{"a": null}',
        "\xff",
        r'{"a": "\ud800"}',
    ],
)
def test_content_that_is_no_object_of_texts(root, text):
    (root / "bad.json").write_text(text, encoding="latin-1")
    with pytest.raises(FileRefused, match="is no JSON"):
        read(str(root), "bad.json")


def test_without_a_directory_there_are_no_files():
    with pytest.raises(FileRefused, match="--filepath-auth-root"):
        read(None, "good.json")


async def _look(clock, files, seen, count):
    """Let schedule time pass until the files were looked at and `seen` has so many."""
    for _ in range(200):
        await clock.advance(2)
        if len(seen) >= count:
            return
        await _thread()
    raise AssertionError(seen)


def _put(path, text):
    """At once: a look from before may still be reading in its thread."""
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").replace(path)


async def _thread():
    await asyncio.sleep(0.01)


async def test_a_change_is_told_and_a_half_written_file_is_not(root, fake_clock):
    seen = []
    files = Files(str(root), fake_clock, changed=seen.append)
    ref = Ref("File", "", "good.json")
    assert await files.get(ref) == {"password": "hunter2"}
    (root / "good.json").write_text('{"password": "hun')
    await fake_clock.advance(2)
    await _thread()
    assert seen == []
    assert await files.get(ref) == {"password": "hunter2"}
    _put(root / "good.json", '{"password": "hunter3"}')
    await _look(fake_clock, files, seen, 1)
    assert await files.get(ref) == {"password": "hunter3"}
    (root / "good.json").unlink()
    await _look(fake_clock, files, seen, 2)
    with pytest.raises(FileRefused, match="No such file"):
        await files.get(ref)
    _put(root / "good.json", '{"password": "hunter4"}')
    await _look(fake_clock, files, seen, 3)
    assert await files.get(ref) == {"password": "hunter4"}
    files.forget(ref)
    await files.close()
