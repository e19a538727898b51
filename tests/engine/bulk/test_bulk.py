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
import subprocess
import sys
import tracemalloc
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.spec import AbstractBufferedFile

from engine.bulk import main
from engine.bulk.folder import FORMATS
from engine.checksums import write_checksums
from engine.data.formats import read_documents
from engine.model.onednn import int8_works
from engine.runs import locked
from tests.conftest import contents
from tests.engine.bulk.made_up import FOOT, HEAD, record, write_folder

FILES, RECORDS = 3, 12
NOTE = '{"id": "1", "text": "Nausea."}\n'


@pytest.fixture(scope="module")
def pubmed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pubmed")
    write_folder(folder, FILES, RECORDS)
    (folder / "pubmed99n0001.xml.gz.md5").write_text("not a file to tag\n")
    return folder


@pytest.fixture
def bulk(model_folder, tmp_path):
    """Runs the command on inputs with further arguments, into ``out`` unless they name another folder."""

    def run(*arguments, dtype="float32", model=model_folder):
        given = ["--model", str(model), "--threads", "1", "--dtype", dtype, *map(str, arguments)]
        return main([*given, *([] if "--out" in arguments else ["--out", str(tmp_path / "out")])])

    return run


@pytest.fixture
def notes(tmp_path):
    """A folder with two small files."""
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        (tmp_path / "in" / f"{name}.jsonl").write_text(NOTE)
    return tmp_path / "in"


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def names(out):
    return [one["name"] for one in lines(out / "manifest.jsonl")]


def test_every_file_has_a_result_and_counts(pubmed, bulk, engine, tmp_path, capsys):
    assert bulk(pubmed) == 0
    assert names(tmp_path / "out") == [f"pubmed99n{number:04}" for number in (1, 2, 3)]
    for one in lines(tmp_path / "out" / "manifest.jsonl"):
        tagged = lines(tmp_path / "out" / one["output"])
        assert (one["documents"], one["rejected"], one["deleted"]) == (RECORDS, 0, 3)
        assert one["entities"] == sum(len(document["entities"]) for document in tagged)
        read = list(read_documents(one["input"]))
        assert [document["text"] for document in tagged] == [document.text for document in read]
        for document in tagged:
            found = engine.tag(document["text"]).entities
            assert [(e["start"], e["end"], e["type"]) for e in document["entities"]] == [e.key for e in found]
            assert all(document["text"][e["start"] : e["end"]] == e["text"] for e in document["entities"])
    assert len(lines(tmp_path / "out" / "deleted.jsonl")) == 3 * FILES
    assert f"now {FILES} files, {FILES * RECORDS} documents, 0 records rejected" in capsys.readouterr().err
    assert (tagged[-1]["id"], tagged[-1]["version"]) == ("3000000", 2)


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


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_holds_the_same_entities(format_, pubmed, bulk, engine, tmp_path):
    if format_ == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet")  # requirements-bulk.txt
    assert bulk(pubmed / "pubmed99n0001.xml.gz", "--format", format_) == 0
    (result,) = (tmp_path / "out" / "tagged").iterdir()
    expected = [
        (document.id, *entity.key)
        for document in read_documents(pubmed / "pubmed99n0001.xml.gz")
        for entity in engine.tag(document.text).entities
    ]
    assert len(expected) > 20
    if format_ == "parquet":
        rows = parquet.read_table(result).to_pylist()
        found = [(row["document"], row["start"], row["end"], row["type"]) for row in rows]
    else:
        read = list(read_documents(result, [].append))
        found = [(document.id, *entity.key) for document in read for entity in document.entities]
    if format_ in ("pubtator", "conll"):  # they cannot hold versions, and take the second one for a mistake
        found, expected = ([one for one in several if one[0] != "1000000"] for several in (found, expected))
    assert found == expected


def test_globs_folders_links_and_single_files_name_the_same_files(pubmed, bulk, tmp_path, capsys):
    for name in ("linked", "files"):
        (tmp_path / name).mkdir()
    (tmp_path / "linked" / "more").symlink_to(pubmed)
    for path in pubmed.iterdir():
        (tmp_path / "files" / path.name).symlink_to(path)
    assert bulk(pubmed / "*n000[12].xml.gz") == 0
    assert bulk(pubmed, pubmed / "pubmed99n0002.xml.gz") == 0
    assert "2 files were finished before; now 1 files" in capsys.readouterr().err
    for number, given in enumerate([pubmed / "*", tmp_path / "files", tmp_path / "files" / "*"]):
        assert bulk(given, "--out", tmp_path / f"out{number}") == 0  # other kinds of files are there, too
        assert names(tmp_path / f"out{number}") == names(tmp_path / "out")
    assert bulk(tmp_path / "linked", "--out", tmp_path / "through") == 0
    assert names(tmp_path / "through") == [f"more/{name}" for name in names(tmp_path / "out")]


def test_folders_inside_and_other_formats_are_read_and_nothing_but_regular_files(bulk, tmp_path):
    inside = tmp_path / "in" / "more"
    inside.mkdir(parents=True)
    (inside / "a.jsonl").write_text(NOTE)
    (inside / "b.txt").write_text("Nausea.")
    (inside / "c.zip").write_text("no text")
    os.mkfifo(inside / "d.txt")
    for given in (tmp_path / "in", tmp_path / "in" / "**"):
        assert bulk(given, "--out", tmp_path / given.name / "out" if given.name == "x" else tmp_path / "out") == 0
        assert [Path(name).name for name in names(tmp_path / "out")] == ["a", "b"]
        shutil.rmtree(tmp_path / "out")


def test_what_is_hidden_is_tagged_only_where_it_was_named(bulk, tmp_path):
    hidden = tmp_path / ".in" / ".cache"
    hidden.mkdir(parents=True)
    for path in (hidden.parent / "a.txt", hidden.parent / ".b.txt", hidden / "c.txt"):
        path.write_text("Nausea.")
    for number, (given, found) in enumerate(
        [(".in", ["a"]), (".in/**/*.txt", ["a"]), (".in/.cache", ["c"]), (".in/.b.txt", [".b"])]
    ):
        assert bulk(tmp_path / given, "--out", tmp_path / f"out{number}") == 0
        assert names(tmp_path / f"out{number}") == found


class Remote(MemoryFileSystem):
    """Files like those of ``s3://`` and ``http://``: they read lines of any length, but not in pieces."""

    protocol = "remote"
    cachable = False

    def _open(self, path, mode="rb", **_):
        return RemoteFile(self, path, mode, size=self.info(path)["size"])

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("remote:", "memory:"))

    def unstrip_protocol(self, name):
        return f"remote://{name}"


class RemoteFile(AbstractBufferedFile):
    def _fetch_range(self, start, end):
        return self.fs.cat_file(self.path, start, end)


@pytest.mark.parametrize("given", ["notes", "notes/*"])
def test_every_format_may_be_on_other_machines(given, bulk, tmp_path):
    fsspec.register_implementation("remote", Remote, clobber=True)
    raw = b'{"id": "1", "text": "Nausea."}\n{"id": "2", "text": "No nausea."}\n'
    files = {"a.jsonl": raw, "b.jsonl.gz": gzip.compress(raw), "README": b"Nausea."}
    if importlib.util.find_spec("pyarrow"):  # requirements-bulk.txt
        pyarrow, parquet = map(importlib.import_module, ("pyarrow", "pyarrow.parquet"))
        table, file = pyarrow.table({"id": ["1", "2"], "text": ["Nausea.", "No nausea."]}), io.BytesIO()
        parquet.write_table(table, file)
        files["c.parquet"] = file.getvalue()
    for name, content in files.items():
        fsspec.filesystem("memory").pipe(f"/notes/{name}", content)
    assert bulk(f"remote://{given}") == 0
    manifest = lines(tmp_path / "out" / "manifest.jsonl")
    assert [(one["input"], one["documents"]) for one in manifest] == [
        (f"remote:///notes/{name}", 2) for name in files if name != "README"
    ]


class RefusedError(Exception):
    """Like errors of remote-file libraries: of no standard kind."""


@pytest.mark.parametrize("method", ["isfile", "cat_file"])
def test_what_a_library_for_remote_files_raises_names_the_file(method, bulk, notes, tmp_path, monkeypatch, capsys):
    fsspec.register_implementation("remote", Remote, clobber=True)
    fsspec.filesystem("memory").pipe("/refused/c.jsonl", NOTE.encode())

    def refused(*_, **__):
        raise RefusedError("no credentials")

    monkeypatch.setattr(Remote, method, refused)
    assert bulk(notes, "remote://refused/c.jsonl") == 2
    assert re.search(r"remote:///?refused/c.jsonl.*no credentials", capsys.readouterr().err)
    assert names(tmp_path / "out") == ["a", "b"]


def test_results_are_never_read_as_inputs(bulk, tmp_path, capsys):
    folder = tmp_path / "data" / "one"
    folder.mkdir(parents=True)
    (folder / "x.jsonl").write_text(NOTE)
    for _ in range(3):
        assert bulk(tmp_path / "data" / "**" / "*.jsonl", "--out", tmp_path / "data" / "out") == 0
    assert names(tmp_path / "data" / "out") == ["x"]
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert bulk(tmp_path / "link", "--out", tmp_path / "data" / "out") == 2
    assert "expected --out outside the inputs" in capsys.readouterr().err


@pytest.mark.parametrize("name", [b"caf\xe9.txt", "\u75c7".encode() * 71 + b".txt"], ids=["not UTF-8", "long"])
def test_odd_names_of_files_are_no_obstacle(name, bulk, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    Path(os.fsdecode(bytes(tmp_path / "in") + b"/" + name)).write_text("Nausea.")
    for finished in (0, 1):
        assert bulk(tmp_path / "in") == 0
        assert f"{finished} files were finished before" in capsys.readouterr().err


def test_records_that_parquet_cannot_hold_lose_nothing(bulk, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")  # requirements-bulk.txt
    (tmp_path / "a.jsonl").write_text(
        '{"id": "1", "text": "Nausea.", "version": 20240115123456}\n'
        '{"id": "a\\ud83d", "text": "Aspirin causes nausea."}\n'
    )
    assert bulk(tmp_path / "a.jsonl", "--format", "parquet") == 0
    (rejected,) = lines(tmp_path / "out" / "rejected.jsonl")
    assert "expected a whole number up to 2147483647 as version" in rejected["reason"]
    rows = parquet.read_table(tmp_path / "out" / "tagged" / "a.parquet").to_pylist()
    assert {row["document"] for row in rows} == {"a?"}


def test_broken_records_are_counted_with_their_reason_and_ids_may_be_in_several_files(bulk, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    good = record(5, random.Random(1))
    for name in ("a", "b"):
        bad = record(6, random.Random(1)).replace('<PMID Version="1">6</PMID>', "")
        (folder / f"{name}.xml").write_text(HEAD + good + bad + FOOT)
    assert bulk(folder) == 0
    rejected = lines(tmp_path / "out" / "rejected.jsonl")
    assert [(Path(one["file"]).name, one["line"]) for one in rejected] == [("a.xml", 5), ("b.xml", 5)]
    assert "expected a record with a <PMID>" in rejected[0]["reason"]
    assert [(one["documents"], one["rejected"]) for one in lines(tmp_path / "out" / "manifest.jsonl")] == [(1, 1)] * 2


def test_memory_does_not_grow_with_rejected_records(bulk, notes, tmp_path):
    (notes / "c.jsonl").write_text(NOTE + '{"id": "1"}\n' * 20_000)
    tracemalloc.start()
    try:
        assert bulk(notes) == 0
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
    assert len(lines(tmp_path / "out" / "rejected.jsonl")) == 20_000


@pytest.mark.parametrize(
    ("name", "content", "keyword"),
    [
        ("c.xml.gz", gzip.compress((HEAD + record(1, random.Random(0)) + FOOT).encode())[:-50], "readable file"),
        ("c.xml.gz", b"", "got an empty one"),
        ("c.xml", HEAD + record(1, random.Random(0))[:-30], "well-formed XML"),
        ("c.xml", HEAD.replace('pubmed.dtd">', 'pubmed.dtd" [<!ENTITY a "aaaaaaaaaa">]>'), "no entity declarations"),
        ("c" * 251 + ".txt", "Nausea.", "File name too long"),
        ("a.jsonl.jsonl", NOTE, "a.jsonl/"),
        ("c.txt", b"notes.txt\0\0\0Nausea.", "got a NUL byte"),
        ("c.txt", None, "No such file"),
    ],
    ids=["truncated", "empty", "cut", "bomb", "long name", "no place", "binary", "dangling link"],
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
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
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


def test_a_folder_that_cannot_be_searched_costs_no_other(bulk, notes, tmp_path, monkeypatch, capsys):
    (notes / "closed").mkdir()
    (notes / "loop").symlink_to(notes)
    scandir = os.scandir

    def closed(path="."):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    assert bulk(notes, tmp_path / "nothing") == 2
    said = capsys.readouterr().err
    for problem in ("in/closed: Permission denied", "in/loop, a link to a folder above it", "nothing, got none"):
        assert problem in said
    assert names(tmp_path / "out") == ["a", "b"]


def test_the_dtype_is_chosen_once_and_stays_that_of_the_run(bulk, notes, tmp_path, monkeypatch, capsys):
    def fastest(dtype):
        seconds = {"float32": 2, "bfloat16": 3, "int8": 3, dtype: 1}
        monkeypatch.setattr("engine.model.precision._cached_seconds", lambda *_: seconds)

    for first, then in (("float32", "bfloat16"), ("bfloat16", "float32")):
        fastest(first)
        assert bulk(notes / "a.jsonl", "--out", tmp_path / first, dtype="auto") == 0
        assert f"dtype {first}: " in capsys.readouterr().err
        fastest(then)
        assert bulk(notes, "--out", tmp_path / first, dtype="auto") == 0
        assert "1 files were finished before; now 1 files" in capsys.readouterr().err
        assert bulk(notes, "--out", tmp_path / first, dtype=then) == 2
        assert f'with dtype "{first}", got dtype "{then}"' in capsys.readouterr().err


def other_tokenizer(folder):
    path = folder / "tokenizer.json"
    stored = json.loads(path.read_text())
    vocabulary = stored["model"]["vocab"]
    vocabulary["fam"], vocabulary["del"] = vocabulary["del"], vocabulary["fam"]
    path.write_text(json.dumps(stored))


def other_configuration(folder):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"layer_norm_eps": 1e-3}))


def other_gates(folder):
    numpy = importlib.import_module("safetensors.numpy")
    heads = numpy.load_file(folder / "gates.safetensors")
    numpy.save_file({name: value * 2 for name, value in heads.items()}, folder / "gates.safetensors")


@pytest.mark.parametrize(
    ("options", "change", "keyword"),
    [
        (["--strategy", "dense"], None, "strategy.name"),
        (["--batch-size", "3"], None, "with batch size 32, got batch size 3"),
        (["--format", "parquet"], None, "format"),
        ([], other_tokenizer, "tokenizer"),
        ([], other_configuration, "configuration.layer_norm_eps"),
        ([], other_gates, "weights"),
        ([], "engine.bulk.worker.code_digest", "code"),
        ([], "engine.bulk.worker.version", "versions.torch"),
    ],
)
def test_a_run_continues_under_the_same_conditions_alone(
    options, change, keyword, bulk, notes, model_folder, tmp_path, monkeypatch, capsys
):
    folder = shutil.copytree(model_folder, tmp_path / "model")
    assert bulk(notes / "a.jsonl", model=folder) == 0
    before = contents(tmp_path / "out")
    if callable(change):
        change(folder)
        write_checksums(folder)
    elif change:
        monkeypatch.setattr(change, lambda *_: "other")
    assert bulk(notes, *options, model=folder) == 2
    assert f"{keyword}" in capsys.readouterr().err
    assert contents(tmp_path / "out") == before


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


def test_a_standard_error_that_cannot_be_written_stops_nothing(notes, model_folder, tmp_path):
    shell = f'exec "{sys.executable}" -m engine.bulk "$@" 2>/dev/full'
    given = [str(notes), "--model", str(model_folder), "--out", str(tmp_path / "out")]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    assert subprocess.run(["bash", "-c", shell, "", *given], env=environment).returncode == 0
    assert names(tmp_path / "out") == ["a", "b"]


def test_a_full_disk_ends_the_run_with_one_sentence_and_what_is_finished_stays(notes, model_folder, tmp_path):
    (notes / "b.txt").write_text("Nausea and pain. " * 2000)
    (notes / "b.jsonl").unlink()
    command = [sys.executable, "-m", "engine.bulk", str(notes), "--out", str(tmp_path / "out")]

    def limit():  # files of at most this size: the next write fails as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    command += ["--model", str(model_folder), "--dtype", "float32"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    failed = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit, env=environment)
    assert failed.returncode == 2
    assert "expected to write" in failed.stderr.splitlines()[-1]
    assert "Traceback" not in failed.stderr
    assert [path.name for path in (tmp_path / "out" / "tagged").iterdir()] == ["a.jsonl"]
    assert names(tmp_path / "out") == ["a"]


@pytest.mark.parametrize(
    ("arguments", "keyword"),
    [
        ([""], "an empty name"),
        (["/no/such"], "expected files of"),
        (["https://localhost:9/pubmed/"], "on the web"),
        (["nosuchscheme://bucket"], "expected files at nosuchscheme://bucket"),
        (["IN", "--threads", "0"], "--threads 1 or more"),
        (["IN", "--workers", "0"], "--workers 1 or more"),
        (["IN", "--batch-size", "0"], "--batch-size 1 or more"),
        (["IN", "--strategy", "magic"], "magic"),
        (["IN", "COPY"], "files of different names"),
        (["IN", "--out", "IN/out"], "--out outside the inputs"),
        (["IN", "--out", "/proc/no"], "a folder to write to"),
        (["IN", "--out", "COPY"], "other files"),
        (["COPY/bad.xml", "--plan", "1000"], "an encoding that can be read, got unknown encoding: foo"),
    ],
)
def test_a_wrong_command_is_one_sentence_and_leaves_no_folder(arguments, keyword, bulk, notes, tmp_path, capsys):
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


def test_without_a_folder_nothing_runs(notes, capsys):
    assert main([str(notes)]) == 2
    assert "expected --out DIR" in capsys.readouterr().err


def test_a_plan_has_a_row_for_dense_and_pruned_in_each_dtype_and_says_what_cannot_be_read(
    bulk, pubmed, tmp_path, capsys
):
    (tmp_path / "cut.xml").write_text(HEAD + record(1, random.Random(0))[:-30])
    assert bulk(pubmed, tmp_path / "cut.xml", "--plan", "1000000", "--price", "0.1", "--sample", "12") == 0
    printed = capsys.readouterr().out
    assert re.search(r"^Reading stopped: .*cut\.xml:\d+: ", printed, re.MULTILINE)
    rows = [line.split("|")[1:-1] for line in printed.splitlines() if line.startswith("| `")]
    dtypes = ["float32", "bfloat16", *["int8"] * int8_works()]
    expected = [[name, dtype] for name in ("`dense`", "`entropy`") for dtype in dtypes]
    assert [[cell.strip() for cell in row[:2]] for row in rows] == expected
    for _, _, speed, hours, cost, _ in rows:
        documents_s = float(speed.split()[0])
        assert float(hours.replace(",", "")) == pytest.approx(1e6 / documents_s / 3600, abs=0.06, rel=0.1)
        assert float(cost.replace(",", "")) == pytest.approx(1e6 / documents_s / 36000, abs=0.1, rel=0.1)
    assert not (tmp_path / "out").exists()
