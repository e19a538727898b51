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
    files, problems, _ = find_files([str(tree / path) for path in given], tree / "in" / "out")
    assert ([file.name for file in files], problems) == (names, [])


def test_what_cannot_be_read_is_said_and_costs_no_other(tree, monkeypatch):
    scandir = os.scandir

    def closed(path="."):
        if str(path).endswith("more"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    (tree / "around" / "unmounted").symlink_to("nowhere")
    files, problems, _ = find_files([str(tree / name) for name in ("around", "nothing")], tree / "in" / "out")
    assert [file.name for file in files] == ["in/a"]
    for problem, keyword in zip(problems, ("unmounted: No such", "more: Permission", "holds no files"), strict=True):
        assert keyword in str(problem)


@pytest.mark.parametrize(
    ("given", "keyword"),
    [
        ([""], "'' holds no files"),
        (["IN/none"], "none' holds no files of .conll"),
        (["IN/more/e.zip/x"], "holds no files"),
        (["s3://bucket"], "s3://bucket' holds no files"),
        (["IN/out"], "holds no files"),
    ],
)
def test_rejects_inputs_without_files(given, keyword, tree):
    with pytest.raises(InputError, match=keyword):
        find_files([path.replace("IN", str(tree / "in")) for path in given], tree / "in" / "out")


@pytest.mark.parametrize("other", ["in/a.xml", "in/other/a.jsonl"])
def test_a_file_whose_result_has_the_name_of_anothers_is_left_out_and_named(other, tree):
    (tree / other).parent.mkdir(exist_ok=True)
    (tree / other).write_text("Nausea.")
    given = [str(tree / "in")] if other == "in/a.xml" else [str(tree / "in" / "a.jsonl"), str(tree / other)]
    files, (problem,), _ = find_files(given, tree / "in" / "out")
    assert "a" in [file.name for file in files]
    assert f"{tree / other} is left out" in str(problem)


def test_files_of_other_kinds_are_skipped_and_named(tree):
    _, _, skipped = find_files([str(tree / "in")], tree / "in" / "out")
    assert {os.path.relpath(path, tree / "in") for path in skipped} == {"a.jsonl.md5", "more/e.zip", "more/f.txt"}
