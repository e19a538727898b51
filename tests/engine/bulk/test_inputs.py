"""Which files folders and links name."""

import os

import pytest

from engine.bulk.inputs import find_files
from engine.errors import InputError


@pytest.fixture
def tree(tmp_path):
    """Files of several kinds, hidden ones, a FIFO, links, and the results of an earlier run."""
    for name in ("a.jsonl", "a.jsonl.md5", ".b.txt", ".hid/c.txt", "more/d.txt.gz", "more/e.zip", "out/tagged/x.jsonl"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("Nausea.")
    os.mkfifo(tmp_path / "in" / "more" / "f.txt")
    for name in ("linked", "files", "around"):
        (tmp_path / name).mkdir()
    (tmp_path / "linked" / "folder").symlink_to(tmp_path / "in" / "more")
    (tmp_path / "files" / "file.txt").symlink_to(tmp_path / "in" / "a.jsonl")
    (tmp_path / "around" / "in").symlink_to(tmp_path / "in")
    (tmp_path / "around" / "loop").symlink_to(tmp_path / "around")
    return tmp_path


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (["in"], ["a", "more/d"]),
        (["around"], ["in/a", "in/more/d"]),
        (["in/a.jsonl", "in/a.jsonl"], ["a"]),
        (["linked"], ["folder/d"]),
        (["files"], ["file"]),
        (["in/.hid"], ["c"]),
        (["in/.b.txt"], [".b"]),
    ],
)
def test_inputs_are_regular_files_of_known_formats_without_hidden_ones_and_results(given, names, tree):
    files, problems = find_files([str(tree / one) for one in given], tree / "in" / "out")
    assert ([file.name for file in files], problems) == (names, [])


def test_what_cannot_be_read_is_said_and_costs_no_other(tree, monkeypatch):
    scandir = os.scandir

    def closed(path="."):
        if str(path).endswith("more"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    (tree / "around" / "unmounted").symlink_to("nowhere")
    files, problems = find_files([str(tree / name) for name in ("around", "nothing")], tree / "in" / "out")
    assert [file.name for file in files] == ["in/a"]
    for problem, keyword in zip(problems, ("unmounted, got No such", "more, got Permission", "got none"), strict=True):
        assert keyword in str(problem)


@pytest.mark.parametrize(
    ("given", "keyword"),
    [
        ([""], "in '', got none"),
        (["IN/none"], "expected files of"),
        (["IN/more/e.zip/x"], "expected files of"),
        (["s3://bucket"], "expected files of"),
        (["IN/a.jsonl", "IN/other/a.jsonl"], "files of different names"),
        (["IN/out"], "expected files of"),
    ],
)
def test_rejects_inputs_without_files_and_files_with_equal_names(given, keyword, tree):
    (tree / "in" / "other").mkdir()
    (tree / "in" / "other" / "a.jsonl").write_text("Nausea.")
    with pytest.raises(InputError, match=keyword):
        find_files([one.replace("IN", str(tree / "in")) for one in given], tree / "in" / "out")
