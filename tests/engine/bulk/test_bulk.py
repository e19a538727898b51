"""``engine.bulk`` in one process."""

import gzip
import importlib
import io
import json
import os
import random
import re
import resource
import shutil
import sys
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.spec import AbstractBufferedFile

from engine.checksums import write_checksums
from engine.data.formats import read_documents
from engine.runs import locked
from tests.conftest import contents, flip_last_bit, memory_below
from tests.engine.bulk.conftest import run
from tests.engine.bulk.made_up import HEAD, record, write_folder
from tests.engine.bulk.test_large import check
from tests.engine.data.reading import GOOD, archive

FILES, RECORDS = 3, 12
NOTE = '{"id": "1", "text": "Nausea."}\n'


@pytest.fixture(scope="module")
def pubmed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pubmed")
    write_folder(folder, FILES, RECORDS)
    (folder / "pubmed99n0001.xml.gz.md5").write_text("not a file to tag\n")
    return folder


@pytest.fixture
def notes(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        (tmp_path / "in" / f"{name}.jsonl").write_text(NOTE)
    return tmp_path / "in"


@pytest.fixture(scope="module")
def begun(model_folder, tmp_path_factory):
    """A folder with an input and its result."""
    folder = tmp_path_factory.mktemp("begun")
    (folder / "a.jsonl").write_text(NOTE)
    assert run(folder / "a.jsonl", out=folder / "out", model=model_folder) == 0
    return folder


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def names(out):
    return [one["name"] for one in lines(out / "manifest.jsonl")]


def test_every_file_has_a_result_and_counts(pubmed, bulk, engine, tmp_path, capsys):
    assert bulk(pubmed) == 0
    assert check(sorted(pubmed.glob("*.gz")), tmp_path / "out", engine) == FILES * RECORDS
    manifest = lines(tmp_path / "out" / "manifest.jsonl")
    assert names(tmp_path / "out") == [f"pubmed99n{number:04}" for number in (1, 2, 3)]
    assert [(one["documents"], one["rejected"], one["deleted"]) for one in manifest] == [(RECORDS, 0, 3)] * FILES
    tagged = lines(tmp_path / "out" / manifest[2]["output"])
    assert manifest[2]["entities"] == sum(len(document["entities"]) for document in tagged)
    assert (tagged[-1]["id"], tagged[-1]["version"]) == ("3000000", 2)
    assert len(lines(tmp_path / "out" / "deleted.jsonl")) == 3 * FILES
    assert f"now {FILES} files, {FILES * RECORDS} documents, 0 records rejected" in capsys.readouterr().err


def test_started_again_it_does_what_is_missing(pubmed, bulk, tmp_path, capsys):
    out = tmp_path / "out"
    assert bulk(pubmed) == 0
    whole = contents(out)
    first, second, third = sorted((out / "tagged").iterdir())
    first.unlink()
    second.write_bytes(second.read_bytes()[:-10])
    (out / "tagged" / f".{'0' * 32}.part").write_text("half")
    untouched = third.stat().st_mtime_ns
    assert bulk(pubmed) == 0
    assert "1 files were finished before; now 2 files" in capsys.readouterr().err
    assert contents(out) == whole
    assert third.stat().st_mtime_ns == untouched


def test_results_may_be_parquet(pubmed, bulk, engine, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")  # requirements-bulk.txt
    path = pubmed / "pubmed99n0001.xml.gz"
    assert bulk(path, "--format", "parquet") == 0
    rows = parquet.read_table(tmp_path / "out" / "tagged" / "pubmed99n0001.parquet").to_pylist()
    expected = [(one.id, *entity.key) for one in read_documents(path) for entity in engine.tag(one.text).entities]
    assert [(row["document"], row["start"], row["end"], row["type"]) for row in rows] == expected


class RemoteFile(AbstractBufferedFile):
    """Like files of ``s3://`` and ``http://``: reads lines of any length, but not in pieces."""

    def _fetch_range(self, start, end):
        return self.fs.cat_file(self.path, start, end)


@pytest.fixture
def remote(monkeypatch):
    """A folder on another machine, with JSON lines, gzipped ones and Parquet."""
    pyarrow, parquet = map(pytest.importorskip, ("pyarrow", "pyarrow.parquet"))  # requirements-bulk.txt
    raw, file = (NOTE + NOTE.replace("1", "2")).encode(), io.BytesIO()
    parquet.write_table(pyarrow.table({"id": ["1", "2"], "text": ["Nausea.", "No nausea."]}), file)
    files = {"r.jsonl": raw, "s.jsonl.gz": gzip.compress(raw), "t.parquet": file.getvalue()}
    for name, content in files.items():
        fsspec.filesystem("memory").pipe(f"/notes/{name}", content)

    def open_remote(self, path, mode="rb", **_):
        return RemoteFile(self, path, mode, size=self.info(path)["size"])

    monkeypatch.setattr(MemoryFileSystem, "_open", open_remote)
    return list(files)


def test_every_format_may_be_on_other_machines(remote, bulk, tmp_path):
    assert bulk("memory://notes") == 0
    manifest = lines(tmp_path / "out" / "manifest.jsonl")
    assert [(one["input"], one["documents"]) for one in manifest] == [(f"memory:///notes/{name}", 2) for name in remote]


@pytest.mark.parametrize("method", ["isfile", "cat_file"])
def test_what_a_library_for_remote_files_raises_names_the_file(
    method, remote, bulk, notes, tmp_path, monkeypatch, capsys
):
    def refused(*_, **__):
        raise Exception("no credentials")  # the errors of these libraries are of no standard kind

    monkeypatch.setattr(MemoryFileSystem, method, refused)
    assert bulk(notes, "memory://notes/r.jsonl") == 2
    assert re.search(r"memory:///?notes/r.jsonl.*no credentials", capsys.readouterr().err)
    assert names(tmp_path / "out") == ["a", "b"]


@pytest.mark.parametrize("name", [b"caf\xe9.txt", "\u75c7".encode() * 71 + b".txt"], ids=["not UTF-8", "long"])
def test_odd_names_of_files_are_no_obstacle(name, bulk, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    Path(os.fsdecode(bytes(tmp_path / "in") + b"/" + name)).write_text("Nausea.")
    for finished in (0, 1):
        assert bulk(tmp_path / "in") == 0
        assert f"{finished} files were finished before" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a.txt::b.txt", "file::zip.txt", "memory::a.txt"])
def test_a_name_with_colons_is_the_file_of_that_name(name, bulk, tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    for other, text in ((name, "Pain."), ("a.txt", "Nausea."), ("zip.txt", "Nausea.")):
        (tmp_path / "in" / other).write_text(text)
    monkeypatch.chdir(tmp_path / "in")
    for given in (name, tmp_path / "in", tmp_path / "in" / "*", f"file://{tmp_path / 'in' / name}"):
        out = tmp_path / "out" / str(given).replace("/", "-")
        assert bulk(given, "--out", out) == 0
        assert [one["text"] for one in lines(out / "tagged" / f"{name[:-4]}.jsonl")] == ["Pain."]


def test_broken_records_are_counted_with_their_reason_and_ids_may_be_in_several_files(bulk, notes, tmp_path):
    for name in ("a", "b"):
        (notes / f"{name}.jsonl").write_text(NOTE + '{"id": "2"}\n')
    assert bulk(notes) == 0
    rejected = lines(tmp_path / "out" / "rejected.jsonl")
    assert [(Path(one["file"]).name, one["line"]) for one in rejected] == [("a.jsonl", 2), ("b.jsonl", 2)]
    assert 'expected an object with a "text" string' in rejected[0]["reason"]
    assert [(one["documents"], one["rejected"]) for one in lines(tmp_path / "out" / "manifest.jsonl")] == [(1, 1)] * 2


def test_memory_does_not_grow_with_rejected_records(bulk, notes, tmp_path):
    assert bulk(notes) == 0
    (notes / "c.jsonl").write_text(NOTE + '{"id": "1"}\n' * 2000)
    with memory_below(1_500_000):
        assert bulk(notes) == 0
    assert len(lines(tmp_path / "out" / "rejected.jsonl")) == 2000


@pytest.mark.parametrize(
    ("name", "content", "keyword"),
    [
        ("c.xml.gz", "", "got an empty one"),
        ("c.xml", HEAD + record(1, random.Random(0))[:-30], "well-formed XML"),
        ("c" * 251 + ".txt", "Nausea.", "File name too long"),
        ("a.jsonl.jsonl", NOTE, "a.jsonl/"),
        ("c.txt", None, "No such file"),
        ("c.txt", archive(GOOD), "a NUL byte"),
    ],
    ids=["empty", "cut", "long name", "no place", "dangling link", "archive"],
)
def test_a_file_that_cannot_be_tagged_costs_no_other(name, content, keyword, bulk, notes, tmp_path, capsys):
    path = notes / name
    if name == "a.jsonl.jsonl":  # its folder is called as the result of another file
        path = notes / "more" / "a.jsonl" / "c.txt"
        path.parent.mkdir(parents=True)
        (notes / "a.jsonl").rename(notes / "more" / "a.txt")
    if content is None:
        path.symlink_to(tmp_path / "nothing")
    else:
        path.write_text(content)
    for _ in range(2):
        assert bulk(notes) == 2
        assert keyword in capsys.readouterr().err
    assert len(names(tmp_path / "out")) == 2
    assert sum(path.is_file() for path in (tmp_path / "out" / "tagged").rglob("*")) == 2
    path.unlink()
    assert bulk(notes) == 0


def test_a_file_that_grows_while_it_is_tagged_is_said_to_and_tagged_next_time(
    bulk, notes, tmp_path, monkeypatch, capsys
):
    def growing(engine, strategy, documents, batch_size):
        yield next(documents)
        with (notes / "b.jsonl").open("a") as file:
            file.write(NOTE)
        yield from documents

    with monkeypatch.context() as patch:
        patch.setattr("engine.bulk.worker.tag_documents", growing)
        assert bulk(notes / "b.jsonl") == 2
    assert "b.jsonl to stay as it was found, 31 bytes, got 62 bytes" in capsys.readouterr().err
    assert names(tmp_path / "out") == []
    assert bulk(notes / "b.jsonl") == 0


def test_an_error_of_the_program_costs_its_file_alone(bulk, notes, tmp_path, monkeypatch, capsys):
    (notes / "b.jsonl").write_text(NOTE.replace("Nausea", "Pain"))
    tag = importlib.import_module("engine.bulk.worker").tag_documents

    def raises(engine, strategy, documents, batch_size):
        for document in tag(engine, strategy, documents, batch_size):
            if "Pain" in document.text:
                raise RuntimeError("no kernel\nat all")
            yield document

    monkeypatch.setattr("engine.bulk.worker.tag_documents", raises)
    assert bulk(notes) == 2
    assert "b.jsonl, got RuntimeError: no kernel; " in capsys.readouterr().err
    assert names(tmp_path / "out") == ["a"]


def test_the_dtype_is_chosen_once_and_stays_that_of_the_run(bulk, notes, monkeypatch, capsys):
    def fastest(dtype):
        seconds = {"float32": 2, "bfloat16": 3, dtype: 1}
        monkeypatch.setattr("engine.model.precision._cached_seconds", lambda *_: seconds)

    fastest("bfloat16")
    assert bulk(notes / "a.jsonl", dtype="auto") == 0
    assert "dtype bfloat16: " in capsys.readouterr().err
    fastest("float32")
    assert bulk(notes, dtype="auto") == 0
    assert "1 files were finished before; now 1 files" in capsys.readouterr().err
    assert bulk(notes, dtype="float32") == 2
    assert 'with dtype "bfloat16", got dtype "float32"' in capsys.readouterr().err


def edited(name, old, new):
    return lambda folder: (folder / name).write_text((folder / name).read_text().replace(old, new))


@pytest.mark.parametrize(
    ("options", "change", "keyword"),
    [
        (["--strategy", "dense"], None, "strategy.name"),
        (["--batch-size", "3"], None, "with batch size 32, got batch size 3"),
        (["--format", "parquet"], None, "format"),
        ([], edited("tokenizer.json", '"fam"', '"maf"'), "tokenizer"),
        ([], edited("config.json", "1e-12", "1e-11"), "configuration.layer_norm_eps"),
        ([], lambda folder: flip_last_bit(folder / "gates.safetensors"), "weights"),
        ([], "engine.bulk.worker.code_digest", "code"),
        ([], "engine.bulk.worker.version", "versions.torch"),
    ],
)
def test_a_run_continues_under_the_same_conditions_alone(
    options, change, keyword, begun, model_folder, tmp_path, monkeypatch, capsys
):
    model = shutil.copytree(model_folder, tmp_path / "model")
    before = contents(begun / "out")
    if callable(change):
        change(model)
        write_checksums(model)
    elif change:
        monkeypatch.setattr(change, lambda *_: "other")
    assert run(begun / "a.jsonl", *options, out=begun / "out", model=model) == 2
    assert keyword in capsys.readouterr().err
    assert contents(begun / "out") == before


def test_an_input_that_changed_since_it_was_finished_is_refused(bulk, notes, tmp_path, capsys):
    assert bulk(notes) == 0
    shutil.copytree(notes, tmp_path / "copy")
    (notes / "a.jsonl").write_text(NOTE * 2)
    assert bulk(notes) == 2
    assert "in/a.jsonl as it was tagged, 31 bytes, got one that has changed to 62 bytes" in capsys.readouterr().err
    assert bulk(tmp_path / "copy") == 2
    assert re.search("in/a.jsonl as it was tagged, 31 bytes, got .*copy/a.jsonl, 31 bytes", capsys.readouterr().err)


def test_two_runs_never_share_a_folder(notes, bulk, tmp_path, capsys):
    with locked(tmp_path / "out"):
        assert bulk(notes) == 2
    assert "another process writes to" in capsys.readouterr().err


def test_a_full_disk_ends_the_run_with_one_sentence_and_what_is_finished_stays(notes, bulk, tmp_path, capsys):
    (notes / "b.jsonl").rename(notes / "b.txt").write_text("Nausea and pain. " * 2000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # a longer file fails as on a full disk
    try:
        assert bulk(notes) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "expected to write" in capsys.readouterr().err.splitlines()[-1]
    assert [path.name for path in (tmp_path / "out" / "tagged").iterdir()] == ["a.jsonl"]
    assert names(tmp_path / "out") == ["a"]


@pytest.mark.parametrize(
    ("arguments", "keyword", "missing"),
    [
        (["IN", "--threads", "0"], "--threads 1 or more", None),
        (["IN", "--workers", "0"], "--workers 1 or more", None),
        (["IN", "--strategy", "magic"], "magic", None),
        (["IN", "--out", "/proc/no"], "a folder to write to", None),
        (["IN", "--out", "COPY"], "other files", None),
        (["COPY/bad.xml", "--plan", "1000"], "an encoding that can be read, got unknown encoding: foo", None),
        (["IN", "--format", "parquet"], "pyarrow for Parquet", "pyarrow"),
        (["IN", "--workers", "1"], "expected Ray", "ray"),
    ],
)
def test_a_wrong_command_or_a_missing_library_is_one_sentence_and_leaves_no_folder(
    arguments, keyword, missing, bulk, notes, tmp_path, monkeypatch, capsys
):
    if missing:
        monkeypatch.setitem(sys.modules, missing, None)
    copy = shutil.copytree(notes, tmp_path / "copy")
    (copy / "bad.xml").write_text('<?xml version="1.0" encoding="foo"?><collection></collection>')
    given = [argument.replace("IN", str(notes)).replace("COPY", str(copy)) for argument in arguments]
    before = contents(tmp_path)
    assert bulk(*given) == 2
    said = capsys.readouterr().err.splitlines()
    assert keyword in said[-1]
    (copy / ".lock").unlink(missing_ok=True)
    assert contents(tmp_path) == before
    assert not (tmp_path / "out").exists()


def test_a_plan_has_a_row_for_dense_and_pruned_in_each_dtype_and_says_what_cannot_be_read(
    bulk, pubmed, tmp_path, capsys
):
    (tmp_path / "cut.xml").write_text(HEAD + record(1, random.Random(0))[:-30])
    assert bulk(pubmed, tmp_path / "cut.xml", "--plan", "1000000", "--price", "0.1", "--sample", "12") == 0
    printed = capsys.readouterr().out
    assert re.search(r"^Reading stopped: .*cut\.xml:\d+: ", printed, re.MULTILINE)
    rows = [line.replace(",", "").split("|")[1:-1] for line in printed.splitlines() if line.startswith("| `")]
    expected = [[name, dtype] for name in ("`dense`", "`entropy`") for dtype in ("float32", "bfloat16")]
    assert [[cell.strip() for cell in row[:2]] for row in rows] == expected
    assert "Not here: expected a model with layers in 8 bits" in printed
    for _, _, speed, hours, cost, _ in rows:
        expected = 1e6 / float(speed.split()[0]) / 3600
        assert float(hours) == pytest.approx(expected, abs=0.06, rel=0.1)
        assert float(cost) == pytest.approx(expected / 10, abs=0.1, rel=0.1)
    assert not (tmp_path / "out").exists()
