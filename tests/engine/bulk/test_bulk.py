"""``engine.bulk`` in one process."""

import importlib
import json
import os
import re
import resource
import shutil
import sys
from itertools import chain
from pathlib import Path

import pytest
import torch

from engine.graph import backend as graph
from tests.conftest import contents, flip_last_bit, memory_below, other_tokenizer
from tests.engine.bulk.conftest import FILES, RECORDS, no_kernel, run
from tests.engine.bulk.made_up import HEAD, record

NOTE = '{"id": "1", "text": "Nausea."}\n'


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
    return [row["name"] for row in lines(out / "manifest.jsonl")]


def test_every_file_has_a_result_and_counts(pubmed, bulk, engine, tmp_path, capsys):
    assert bulk(pubmed) == 0
    manifest = lines(tmp_path / "out" / "manifest.jsonl")
    assert [row["input"] for row in manifest] == sorted(map(str, pubmed.glob("*.gz")))
    assert [(row["documents"], row["rejected"], row["deleted"]) for row in manifest] == [(RECORDS, 0, 3)] * FILES
    tagged = lines(tmp_path / "out" / manifest[2]["output"])
    entities = [[(e["start"], e["end"], e["type"]) for e in document["entities"]] for document in tagged]
    breaks = [[document["title_end"]] for document in tagged]
    results = engine.tag_batch([document["text"] for document in tagged], breaks=breaks)
    assert entities == [[entity.key for entity in result.entities] for result in results]
    assert manifest[2]["entities"] == sum(map(len, entities))
    assert (tagged[-1]["id"], tagged[-1]["version"]) == ("3000000", 2)
    assert len(lines(tmp_path / "out" / "deleted.jsonl")) == 3 * FILES
    assert f"{FILES} files and {FILES * RECORDS} documents tagged, 0 records rejected" in capsys.readouterr().err


def test_a_restart_does_only_what_is_missing(pubmed, bulk, tmp_path, capsys):
    out = tmp_path / "out"
    assert bulk(pubmed) == 0
    whole = contents(out)
    first, second, _, last = sorted((out / "tagged").iterdir())
    first.unlink()
    second.write_bytes(second.read_bytes()[:-2] + b"?\n")
    (out / "tagged" / f".{'0' * 32}.part").write_text("half")
    cut = out / "units" / "pubmed99n0003.json"
    cut.write_bytes(cut.read_bytes()[:-20])
    untouched = last.stat().st_mtime_ns
    assert bulk(pubmed) == 0
    assert "Tag 3 of 4 files into" in capsys.readouterr().err
    assert contents(out) == whole
    assert last.stat().st_mtime_ns == untouched


@pytest.mark.parametrize(
    "name", [b"caf\xe9", "\u75c7".encode() * 71, b"memory::a"], ids=["not UTF-8", "long", "colons"]
)
def test_odd_names_of_files_are_no_obstacle(name, bulk, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    Path(os.fsdecode(bytes(tmp_path / "in") + b"/" + name + b".txt")).write_text("Nausea.")
    for missing in (1, 0):
        assert bulk(tmp_path / "in") == 0
        assert f"Tag {missing} of 1 files" in capsys.readouterr().err
    assert [row["text"] for file in (tmp_path / "out" / "tagged").iterdir() for row in lines(file)] == ["Nausea."]


def test_broken_records_are_left_out_with_their_reason_and_take_no_memory(bulk, notes, tmp_path):
    for name in ("a", "b"):
        (notes / f"{name}.jsonl").write_text(NOTE + '{"id": "2"}\n' * 1000)
    with memory_below(2_500_000):
        assert bulk(notes) == 0
    rejected = lines(tmp_path / "out" / "rejected.jsonl")
    assert [(Path(row["file"]).name, row["line"]) for row in rejected[::1000]] == [("a.jsonl", 2), ("b.jsonl", 2)]
    assert 'an object with a "text" string' in rejected[0]["reason"]
    assert {(row["documents"], row["rejected"]) for row in lines(tmp_path / "out" / "manifest.jsonl")} == {(1, 1000)}


@pytest.mark.parametrize(
    ("name", "content", "keyword"),
    [("c.xml", HEAD + record(1)[:-30], "well-formed XML"), ("c" * 251 + ".txt", "Nausea.", "File name too long")],
    ids=["cut", "long name"],
)
def test_a_file_that_cannot_be_tagged_costs_no_other(name, content, keyword, bulk, notes, tmp_path, capsys):
    path = notes / name
    path.write_text(content)
    for _ in range(2):
        assert bulk(notes) == 2
        assert keyword in capsys.readouterr().err
    assert len(names(tmp_path / "out")) == 2
    assert sum(path.is_file() for path in (tmp_path / "out" / "tagged").rglob("*")) == 2
    path.unlink()
    assert bulk(notes) == 0


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        (lambda path: path.write_text(NOTE * 2), "b.jsonl changed while it was tagged"),
        (no_kernel, "b.jsonl: RuntimeError: no kernel. "),
    ],
    ids=["the file grows", "an error of the program"],
)
def test_what_happens_while_a_file_is_tagged_costs_it_alone(event, problem, bulk, notes, tmp_path, monkeypatch, capsys):
    tag = importlib.import_module("engine.bulk.worker").tag_documents

    def interrupted(engine, strategy, documents, batch_size):
        first = next(documents)
        if "Pain" in first.text:
            event(notes / "b.jsonl")
        return tag(engine, strategy, chain([first], documents), batch_size)

    (notes / "b.jsonl").write_text(NOTE.replace("Nausea", "Pain.."))
    with monkeypatch.context() as patch:
        patch.setattr("engine.bulk.worker.tag_documents", interrupted)
        assert bulk(notes) == 2
    assert problem in capsys.readouterr().err
    assert names(tmp_path / "out") == ["a"]
    assert bulk(notes) == 0


def test_a_file_whose_result_is_gone_and_cannot_be_made_again_is_not_finished(bulk, notes, tmp_path):
    (notes / "b.jsonl").write_text(NOTE)
    assert bulk(notes) == 0
    (tmp_path / "out" / "tagged" / "b.jsonl").unlink()
    (notes / "b.jsonl").write_text("?" * len(NOTE))
    assert bulk(notes) == 2
    assert [Path(row["output"]).name for row in lines(tmp_path / "out" / "manifest.jsonl")] == ["a.jsonl"]


def test_auto_continues_a_run_in_its_dtype(bulk, notes, capsys):
    assert bulk(notes / "a.jsonl", dtype="int8") == 0
    assert bulk(notes, dtype="auto") == 0, "in a new run of this model it would be float32"
    assert "Tag 1 of 2 files" in capsys.readouterr().err
    assert bulk(notes, dtype="float32") == 2
    assert 'with dtype "int8", not dtype "float32"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "change", "keyword"),
    [
        (["--strategy", "dense"], None, "strategy.name"),
        (["--format", "bioc"], None, "format"),
        ([], other_tokenizer, "tokenizer"),
        ([], lambda folder: flip_last_bit(folder / "gates.safetensors"), "weights"),
        ([], "engine.bulk.worker.code_digest", "code"),
    ],
)
def test_rejects_changed_conditions(options, change, keyword, begun, model_folder, tmp_path, monkeypatch, capsys):
    model = shutil.copytree(model_folder, tmp_path / "model")
    before = contents(begun / "out")
    if callable(change):
        change(model)
    elif change:
        monkeypatch.setattr(change, lambda *_: "other")
    assert run(begun / "a.jsonl", *options, out=begun / "out", model=model) == 2
    assert keyword in capsys.readouterr().err
    assert contents(begun / "out") == before


def test_an_input_that_changed_stops_the_run_until_its_record_is_removed(bulk, notes, tmp_path, capsys):
    assert bulk(notes) == 0
    (notes / "a.jsonl").write_text(NOTE.replace("Nausea", "Asthma"))
    (notes / "c.jsonl").write_text(NOTE)
    assert bulk(notes) == 2
    said = capsys.readouterr().err
    assert "in/a.jsonl has changed, so no file is tagged; results stay. Use another --out" in said
    before = names(tmp_path / "out")
    assert "c" not in before
    Path(re.search(r"remove (\S+\.json) to tag it anew", said)[1]).unlink()
    assert bulk(notes) == 0
    assert names(tmp_path / "out") == [*before, "c"]


def test_threads_are_those_of_its_engine_alone(notes, bulk, monkeypatch):
    made, session, before = [], graph.Session, torch.get_num_threads()
    monkeypatch.setattr(
        graph, "Session", lambda model, threads, of: made.append(threads) or session(model, threads, of)
    )
    assert bulk(notes, "--threads", 3) == 0
    assert set(made) == {3}
    assert torch.get_num_threads() == before


def test_a_full_disk_ends_the_run_with_one_sentence_and_what_is_finished_stays(notes, bulk, tmp_path, capsys):
    (notes / "b.jsonl").rename(notes / "b.txt").write_text("Nausea and pain. " * 2000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # a longer file fails as on a full disk
    try:
        assert bulk(notes) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "Cannot write" in capsys.readouterr().err.splitlines()[-1]
    assert [path.name for path in (tmp_path / "out" / "tagged").iterdir()] == ["a.jsonl"]
    assert names(tmp_path / "out") == ["a"]


@pytest.mark.parametrize(
    ("arguments", "keyword"),
    [
        (["IN", "--threads", "0"], "--threads must be a whole number, 1 or more"),
        (["IN", "--workers", "0"], "--workers must be a whole number, 1 or more"),
        (["IN", "--out", "COPY"], "other files"),
        (["IN", "--workers", "1"], "package ray is missing"),
    ],
)
def test_rejects_options_and_leaves_no_folder(arguments, keyword, bulk, notes, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    copy = shutil.copytree(notes, tmp_path / "copy")
    given = [argument.replace("IN", str(notes)).replace("COPY", str(copy)) for argument in arguments]
    before = contents(tmp_path)
    assert bulk(*given) == 2
    assert keyword in capsys.readouterr().err.splitlines()[-1]
    (copy / ".lock").unlink(missing_ok=True)
    assert contents(tmp_path) == before
    assert not (tmp_path / "out").exists()
