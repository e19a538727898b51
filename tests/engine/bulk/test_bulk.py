"""``engine.bulk`` in one process."""

import gzip
import importlib
import io
import json
import os
import random
import re
import resource
import subprocess
import sys
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.spec import AbstractBufferedFile

from engine.bulk import main
from engine.bulk.results import FORMATS
from engine.data.formats import read_documents
from engine.model.operators import int8_works
from tests.conftest import contents
from tests.engine.bulk.made_up import FOOT, HEAD, record, write_folder

FILES, RECORDS = 3, 12


@pytest.fixture(scope="module")
def pubmed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pubmed")
    write_folder(folder, FILES, RECORDS)
    (folder / "pubmed99n0001.xml.gz.md5").write_text("not a file to tag\n")
    return folder


@pytest.fixture
def bulk(model_folder):
    def run(*arguments):
        return main([*map(str, arguments), "--model", str(model_folder), "--threads", "1"])

    return run


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_file_has_a_result_and_counts(pubmed, bulk, engine, tmp_path, capsys):
    assert bulk(pubmed, "--out", tmp_path / "out") == 0
    manifest = lines(tmp_path / "out" / "manifest.jsonl")
    assert [one["name"] for one in manifest] == [f"pubmed99n{number:04}" for number in (1, 2, 3)]
    for one in manifest:
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
    last = tagged[-1]
    assert (last["id"], last["version"]) == ("3000000", 2)


def test_started_again_it_does_what_is_missing(pubmed, bulk, tmp_path, capsys):
    out = tmp_path / "out"
    assert bulk(pubmed, "--out", out) == 0
    whole = contents(out)
    first, second, _ = sorted((out / "tagged").iterdir())
    first.unlink()
    second.write_bytes(second.read_bytes()[:-10])
    (out / "tagged" / f".{second.name}.0.part").write_text("half")
    untouched = (out / "tagged" / "pubmed99n0003.jsonl").stat().st_mtime_ns
    assert bulk(pubmed, "--out", out) == 0
    assert "1 files were finished before; now 2 files" in capsys.readouterr().err
    assert contents(out) == whole
    assert (out / "tagged" / "pubmed99n0003.jsonl").stat().st_mtime_ns == untouched


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_holds_the_same_entities(format_, pubmed, bulk, engine, tmp_path):
    if format_ == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet")  # requirements-bulk.txt
    assert bulk(pubmed / "pubmed99n0001.xml.gz", "--out", tmp_path / "out", "--format", format_) == 0
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


def test_globs_folders_and_single_files_name_the_same_units(pubmed, bulk, tmp_path, capsys):
    out = tmp_path / "out"
    assert bulk(pubmed / "*n000[12].xml.gz", "--out", out) == 0
    assert bulk(pubmed, pubmed / "pubmed99n0002.xml.gz", "--out", out) == 0
    assert "2 files were finished before; now 1 files" in capsys.readouterr().err
    assert bulk(pubmed / "*", "--out", tmp_path / "all") == 0  # other kinds of files are there, too
    assert len(lines(tmp_path / "all" / "manifest.jsonl")) == FILES


def test_folders_inside_and_other_formats_are_read(bulk, tmp_path):
    inside = tmp_path / "in" / "more"
    inside.mkdir(parents=True)
    (inside / "a.jsonl").write_text('{"id": "1", "text": "Nausea."}\n')
    (inside / "b.txt").write_text("Nausea.")
    (inside / "c.zip").write_text("no text")
    assert bulk(tmp_path / "in", "--out", tmp_path / "out") == 0
    assert [one["name"] for one in lines(tmp_path / "out" / "manifest.jsonl")] == ["more/a", "more/b"]


def test_what_is_hidden_is_tagged_only_where_it_was_named(bulk, tmp_path):
    hidden = tmp_path / ".in" / ".cache"
    hidden.mkdir(parents=True)
    for path in (hidden.parent / "a.txt", hidden.parent / ".b.txt", hidden / "c.txt"):
        path.write_text("Nausea.")
    for number, (given, names) in enumerate(
        [(".in", ["a"]), (".in/**/*.txt", ["a"]), (".in/.cache", ["c"]), (".in/.b.txt", [".b"])]
    ):
        assert bulk(tmp_path / given, "--out", tmp_path / f"out{number}") == 0
        assert [one["name"] for one in lines(tmp_path / f"out{number}" / "manifest.jsonl")] == names


def test_inputs_may_be_where_fsspec_reaches(pubmed, bulk, tmp_path):
    memory = fsspec.filesystem("memory")
    memory.pipe("/pubmed/pubmed99n0001.xml.gz", (pubmed / "pubmed99n0001.xml.gz").read_bytes())
    assert bulk("memory://pubmed", "--out", tmp_path / "out") == 0
    (one,) = lines(tmp_path / "out" / "manifest.jsonl")
    assert (one["documents"], one["input"]) == (RECORDS, "memory:///pubmed/pubmed99n0001.xml.gz")


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


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_every_format_may_be_on_other_machines(name, bulk, tmp_path):
    fsspec.register_implementation("remote", Remote, clobber=True)
    raw = b'{"id": "1", "text": "Nausea."}\n{"id": "2", "text": "No nausea."}\n'
    if name == "a.parquet":
        pyarrow = pytest.importorskip("pyarrow")  # requirements-bulk.txt
        table, file = pyarrow.table({"id": ["1", "2"], "text": ["Nausea.", "No nausea."]}), io.BytesIO()
        importlib.import_module("pyarrow.parquet").write_table(table, file)
        raw = file.getvalue()
    fsspec.filesystem("memory").pipe(f"/notes/{name}", gzip.compress(raw) if name.endswith(".gz") else raw)
    assert bulk(f"remote://notes/{name}", "--out", tmp_path / "out") == 0
    (one,) = lines(tmp_path / "out" / "manifest.jsonl")
    assert one["documents"] == 2


class RefusedError(Exception):
    """Like errors of remote-file libraries: of no standard kind."""


@pytest.mark.parametrize("method", ["isfile", "cat_file"])
def test_what_a_library_for_remote_files_raises_names_the_file(method, bulk, tmp_path, monkeypatch, capsys):
    fsspec.register_implementation("remote", Remote, clobber=True)
    fsspec.filesystem("memory").pipe("/refused/a.jsonl", b'{"id": "1", "text": "Nausea."}\n')

    def refused(*_, **__):
        raise RefusedError("no credentials")

    monkeypatch.setattr(Remote, method, refused)
    assert bulk("remote://refused/a.jsonl", "--out", tmp_path / "out") == 2
    assert re.search(r"remote:///?refused/a.jsonl.*no credentials", capsys.readouterr().err)


def test_a_glob_that_reaches_into_the_results_does_not_read_them(bulk, tmp_path, capsys):
    folder = tmp_path / "data" / "one"
    folder.mkdir(parents=True)
    (folder / "x.jsonl").write_text('{"id": "1", "text": "Nausea."}\n')
    for _ in range(3):
        assert bulk(tmp_path / "data" / "**" / "*.jsonl", "--out", tmp_path / "data" / "out") == 0
    assert [one["name"] for one in lines(tmp_path / "data" / "out" / "manifest.jsonl")] == ["x"]
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert bulk(tmp_path / "link", "--out", tmp_path / "data" / "out") == 2
    assert "expected --out outside the inputs" in capsys.readouterr().err


@pytest.mark.parametrize("name", [b"caf\xe9.txt", "\u75c7".encode() * 71 + b".txt"], ids=["not UTF-8", "long"])
def test_odd_names_of_files_are_no_obstacle(name, bulk, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    Path(os.fsdecode(bytes(tmp_path / "in") + b"/" + name)).write_text("Nausea.")
    for finished in (0, 1):
        assert bulk(tmp_path / "in", "--out", tmp_path / "out") == 0
        assert f"{finished} files were finished before" in capsys.readouterr().err


def test_a_run_killed_at_its_first_write_can_be_started_again(pubmed, bulk, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".0123abcd.part").write_text("{")
    assert bulk(pubmed / "pubmed99n0001.xml.gz", "--out", tmp_path / "out") == 0
    assert not list((tmp_path / "out").glob(".*.part"))


def test_records_that_parquet_cannot_hold_lose_nothing(bulk, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")  # requirements-bulk.txt
    (tmp_path / "a.jsonl").write_text(
        '{"id": "1", "text": "Nausea.", "version": 20240115123456}\n'
        '{"id": "a\\ud83d", "text": "Aspirin causes nausea."}\n'
    )
    assert bulk(tmp_path / "a.jsonl", "--out", tmp_path / "out", "--format", "parquet") == 0
    (rejected,) = lines(tmp_path / "out" / "rejected.jsonl")
    assert "expected a whole number up to 2147483647 as version" in rejected["reason"]
    assert {row["document"] for row in parquet.read_table(tmp_path / "out" / "tagged" / "a.parquet").to_pylist()} == {
        "a?"
    }


def test_broken_records_are_counted_with_their_reason_and_ids_may_be_in_several_files(bulk, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    good = record(5, random.Random(1))
    for name in ("a", "b"):
        bad = record(6, random.Random(1)).replace('<PMID Version="1">6</PMID>', "")
        (folder / f"{name}.xml").write_text(HEAD + good + bad + FOOT)
    assert bulk(folder, "--out", tmp_path / "out") == 0
    rejected = lines(tmp_path / "out" / "rejected.jsonl")
    assert [(Path(one["file"]).name, one["line"]) for one in rejected] == [("a.xml", 5), ("b.xml", 5)]
    assert "expected a record with a <PMID>" in rejected[0]["reason"]
    assert [(one["documents"], one["rejected"]) for one in lines(tmp_path / "out" / "manifest.jsonl")] == [(1, 1)] * 2


@pytest.mark.parametrize(
    ("break_", "message"),
    [
        (lambda raw: gzip.compress(raw)[:-100], "expected a readable file"),
        (lambda raw: b"", "expected a gzipped file, got an empty one"),
        (lambda raw: gzip.compress(raw[: len(raw) // 2]), "expected well-formed XML"),
        (
            lambda raw: gzip.compress(
                raw.replace(b'pubmed.dtd">', b'pubmed.dtd" [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>')
            ),
            "expected no entity declarations",
        ),
    ],
    ids=["truncated", "empty", "cut", "bomb"],
)
def test_a_file_that_cannot_be_read_to_its_end_has_no_result_and_the_others_have(
    break_, message, pubmed, bulk, tmp_path, capsys
):
    folder = tmp_path / "in"
    folder.mkdir()
    for path in pubmed.glob("*.gz"):
        (folder / path.name).write_bytes(path.read_bytes())
    broken = folder / "pubmed99n0002.xml.gz"
    broken.write_bytes(break_(gzip.decompress(broken.read_bytes())))
    assert bulk(folder, "--out", tmp_path / "out") == 2
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "out" / "tagged").iterdir()) == [
        "pubmed99n0001.jsonl",
        "pubmed99n0003.jsonl",
    ]
    broken.write_bytes((pubmed / broken.name).read_bytes())
    assert bulk(folder, "--out", tmp_path / "out") == 0
    assert "2 files were finished before; now 1 files" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--strategy", "dense"], "expected the strategy of the run"),
        (["--batch-size", "3"], "expected the batch size of the run"),
        (["--format", "parquet"], "expected the format of the run"),
    ],
)
def test_a_folder_of_a_run_with_other_settings_is_refused(options, message, pubmed, bulk, tmp_path, capsys):
    assert bulk(pubmed, "--out", tmp_path / "out") == 0
    before = contents(tmp_path / "out")
    assert bulk(pubmed, "--out", tmp_path / "out", *options) == 2
    assert message in capsys.readouterr().err
    assert contents(tmp_path / "out") == before


def test_other_code_or_weights_are_refused(pubmed, bulk, tmp_path, plain_folder, monkeypatch, capsys):
    assert bulk(pubmed, "--out", tmp_path / "out", "--strategy", "dense") == 0
    arguments = [str(pubmed), "--out", str(tmp_path / "out"), "--strategy", "dense", "--threads", "1"]
    assert main([*arguments, "--model", str(plain_folder)]) == 2
    assert "expected the weights of the run" in capsys.readouterr().err
    for name, other, message in (
        ("_code_digest", lambda: "other", "expected the code of the run"),
        ("version", lambda name: "0", "expected the versions of the run"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(f"engine.bulk.worker.{name}", other)
            assert bulk(pubmed, "--out", tmp_path / "out", "--strategy", "dense") == 2
        assert message in capsys.readouterr().err


def test_a_folder_of_something_else_and_an_input_that_changed_are_refused(pubmed, bulk, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert bulk(pubmed, "--out", tmp_path) == 2
    assert "expected an empty folder or one of an earlier run" in capsys.readouterr().err
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("Nausea.")
    assert bulk(tmp_path / "in", "--out", tmp_path / "out") == 0
    (tmp_path / "in" / "a.txt").write_text("Nausea again.")
    assert bulk(tmp_path / "in", "--out", tmp_path / "out") == 2
    assert "a.txt, 13 bytes; choose another folder" in capsys.readouterr().err
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.txt").write_text("Anaemia")  # same length
    assert bulk(tmp_path / "other", "--out", tmp_path / "out") == 2
    assert "in/a.txt as it was tagged, 7 bytes, got" in capsys.readouterr().err


def test_two_runs_in_one_folder_and_a_lock_that_dies_with_its_process(pubmed, bulk, tmp_path, capsys):
    hold = (
        "import sys, time; from pathlib import Path; from engine.runs import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    out = tmp_path / "out"
    out.mkdir()
    with subprocess.Popen([sys.executable, "-c", hold, str(out)], stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        assert bulk(pubmed, "--out", out) == 2
        assert "got one that another process writes to" in capsys.readouterr().err
        other.kill()
    assert bulk(pubmed, "--out", out) == 0


def test_a_standard_error_that_cannot_be_written_stops_nothing(pubmed, model_folder, tmp_path):
    shell = f'exec "{sys.executable}" -m engine.bulk "$@" 2>/dev/full'
    given = [str(pubmed), "--model", str(model_folder), "--out", str(tmp_path / "out")]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    assert subprocess.run(["bash", "-c", shell, "", *given], env=environment).returncode == 0
    assert len(lines(tmp_path / "out" / "manifest.jsonl")) == FILES


def test_a_full_disk_ends_the_run_with_one_sentence_and_finished_units_stay(pubmed, model_folder, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "engine.bulk", str(pubmed), "--out", str(out), "--model", str(model_folder)]
    (tmp_path / "in").mkdir()
    small = tmp_path / "in" / "a.txt"
    small.write_text("Nausea.")
    (tmp_path / "in" / "b.txt").write_text("Nausea and pain. " * 2000)

    def limit():  # files of at most this size: the next write fails as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    command[3] = str(tmp_path / "in")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    failed = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit, env=environment)
    assert failed.returncode == 2
    assert "expected to write" in failed.stderr.splitlines()[-1]
    assert "Traceback" not in failed.stderr
    assert [path.name for path in (out / "tagged").iterdir()] == ["a.jsonl"]
    assert [one["name"] for one in lines(out / "manifest.jsonl")] == ["a"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/no/such"], "expected files of"),
        (["nosuchscheme://bucket"], "expected files at nosuchscheme://bucket"),
        (["IN", "--threads", "0"], "expected --threads 1 or more"),
        (["IN", "--workers", "0"], "expected --workers 1 or more"),
        (["IN", "--batch-size", "0"], "expected --batch-size 1 or more"),
        (["IN", "--out", "IN/out"], "expected --out outside the inputs"),
        (["IN", "--out", "/proc/no"], "expected a folder to write to"),
    ],
)
def test_wrong_arguments_end_with_status_2_and_a_clear_line(arguments, message, pubmed, tmp_path, capsys):
    given = [argument.replace("IN", str(pubmed)) for argument in arguments]
    assert main([*given, *([] if "--out" in given else ["--out", str(tmp_path / "out")])]) == 2
    assert message in capsys.readouterr().err


def test_without_a_folder_nothing_runs(pubmed, capsys):
    assert main([str(pubmed)]) == 2
    assert "expected --out DIR" in capsys.readouterr().err


def test_two_files_of_one_name_are_refused(bulk, tmp_path, capsys):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.txt").write_text("Nausea.")
    assert bulk(tmp_path / "a", tmp_path / "b", "--out", tmp_path / "out") == 2
    assert "expected files of different names" in capsys.readouterr().err


@pytest.mark.parametrize("folder", ["x.jsonl", "x.json", "x.parquet"])
def test_a_folder_called_as_a_result_is_refused(folder, bulk, tmp_path, capsys):
    inside = tmp_path / "in" / folder / "more"
    inside.mkdir(parents=True)
    for path in (tmp_path / "in" / "x.txt", inside / "y.txt"):
        path.write_text("Nausea.")
    assert bulk(tmp_path / "in", "--out", tmp_path / "out") == 2
    assert f"expected no folder that is called as a result, got {folder} of {inside}/y.txt beside {tmp_path}/in/x" in (
        capsys.readouterr().err
    )


def test_where_a_folder_cannot_be_made_it_is_named(bulk, tmp_path, capsys):
    (tmp_path / "a" / "x.json").mkdir(parents=True)
    (tmp_path / "a" / "x.json" / "y.txt").write_text("Nausea.")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.txt").write_text("Nausea.")
    assert bulk(tmp_path / "b", "--out", tmp_path / "out") == 0
    assert bulk(tmp_path / "a", "--out", tmp_path / "out") == 2
    assert f"expected to write {tmp_path}/out/units/x.json, got" in capsys.readouterr().err


def test_a_plan_goes_on_where_a_file_cannot_be_read(bulk, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("Nausea.")
    (tmp_path / "in" / "cut.xml").write_text(HEAD + record(1, random.Random(0))[:-30])
    assert bulk(tmp_path / "in", "--plan", "1000", "--price", "0.1", "--sample", "4") == 0
    printed = capsys.readouterr().out
    assert "| `dense` | float32 |" in printed
    assert re.search(r"^Reading stopped: .*cut\.xml:\d+: ", printed, re.MULTILINE)


def test_a_plan_says_why_nothing_can_be_read(bulk, tmp_path, capsys):
    (tmp_path / "bad.xml").write_text('<?xml version="1.0" encoding="foo"?><collection></collection>')
    assert bulk(tmp_path / "bad.xml", "--plan", "1000") == 2
    assert "expected an encoding that can be read, got unknown encoding: foo" in capsys.readouterr().err


def test_a_plan_has_a_row_for_dense_and_pruned_in_each_dtype(pubmed, bulk, capsys):
    assert bulk(pubmed, "--plan", "1000000", "--price", "0.1", "--sample", "9") == 0
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("| `")]
    dtypes = ["float32", "bfloat16", *["int8"] * int8_works()]
    expected = [[name, dtype] for name in ("`dense`", "`entropy`") for dtype in dtypes]
    assert [[cell.strip() for cell in row[:2]] for row in rows] == expected
    for _, _, speed, hours, cost, _ in rows:
        documents_s = float(speed.split()[0])
        assert float(hours.replace(",", "")) == pytest.approx(1e6 / documents_s / 3600, abs=0.06, rel=0.1)
        assert float(cost.replace(",", "")) == pytest.approx(1e6 / documents_s / 36000, abs=0.1, rel=0.1)
