import io
import json
import os
import subprocess
import sys
import tracemalloc

import pytest

from engine.data.formats import WRITERS, read_documents
from engine.tag import main
from tests.engine.data.reading import GOOD, sound

BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text(GOOD)
    return path


def test_files_are_tagged_in_order_as_pubtator(corpus, model_folder, capsys, tmp_path):
    (tmp_path / "notes.txt").write_text("Nausea after aspirin.\nAnd pain.")
    status = main([str(corpus), str(tmp_path / "notes.txt"), "--model", str(model_folder), "--batch-size", "2"])
    documents = sound(capsys.readouterr().out, "tagged.pubtator")
    assert status == 0
    assert [document.id for document in documents] == ["1", "case-7", "notes"]
    assert documents[0].text == "Aspirin and pain.\nAspirin helped."
    assert documents[2].text == "Nausea after aspirin.\nAnd pain."


def test_json_lines_hold_what_the_engine_finds(corpus, model_folder, engine, capsys):
    assert main([str(corpus), "--model", str(model_folder), "--format", "jsonl", "--strategy", "dense"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["id"] for record in records] == ["1", "case-7"]
    assert any(record["entities"] for record in records)
    for record in records:
        found = engine.tag(record["text"], "dense").entities
        assert [(e["start"], e["end"], e["type"]) for e in record["entities"]] == [e.key for e in found]


def test_a_file_whose_name_has_blanks_is_tagged_so_that_it_can_be_tagged_again(model_folder, capsys, tmp_path):
    (tmp_path / "patient notes.txt").write_text("Nausea after aspirin.\nAnd pain.")
    (tmp_path / "tagged.txt").write_text("")
    for name in ("patient notes.txt", "tagged.txt"):
        assert main([str(tmp_path / name), "--model", str(model_folder)]) == 0
        (tmp_path / "tagged.txt").write_text(capsys.readouterr().out)
        (document,) = read_documents(tmp_path / "tagged.txt")
        assert (document.id, document.text) == ("patient notes", "Nausea after aspirin.\nAnd pain.")


def test_memory_does_not_grow_with_what_is_broken(model_folder, tmp_path):
    path = tmp_path / "broken.jsonl"
    path.write_bytes((b"\xe9" * 100_000 + b"\n") * 200)
    tracemalloc.start()
    try:
        assert main([str(path), "--model", str(model_folder)]) == 2
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_a_standard_error_that_cannot_be_written_stops_nothing(corpus, model_folder, capsys):
    arguments = [str(corpus), "--model", str(model_folder), "--dtype", "auto"]
    assert main(arguments) == 0
    shell = f'exec "{sys.executable}" -m engine.tag "$@" 2>/dev/full'
    run = subprocess.run(["bash", "-c", shell, "", *arguments], stdout=subprocess.PIPE, env=BUFFERED)
    assert (run.returncode, run.stdout.decode()) == (0, capsys.readouterr().out)


def test_a_broken_document_is_reported_and_the_others_are_tagged(corpus, model_folder, capsys):
    corpus.write_text(GOOD.replace("\t7\tAspirin", "\t8\tAspirin"))
    status = main([str(corpus), str(corpus) + ".missing", "--model", str(model_folder)])
    captured = capsys.readouterr()
    assert status == 2
    assert f"{corpus}:3: document 1: expected 'Aspirin' at 0–8" in captured.err
    assert "expected a readable file" in captured.err
    assert captured.out.startswith("case-7|t|Title only")


def test_one_bad_file_stops_no_other(corpus, model_folder, capsys, tmp_path):
    (tmp_path / "bad.xml").write_text('<?xml version="1.0" encoding="foo"?><collection></collection>')
    assert main([str(tmp_path / "bad.xml"), str(corpus), "--model", str(model_folder)]) == 2
    captured = capsys.readouterr()
    assert captured.err == (
        f"{tmp_path}/bad.xml:1: expected an encoding that can be read, got unknown encoding: foo; "
        "save the file as UTF-8; nothing after this place was read\n"
    )
    assert [d.id for d in sound(captured.out, "tagged.pubtator")] == ["1", "case-7"]


def test_an_id_of_another_file_is_reported(corpus, model_folder, capsys, tmp_path):
    (tmp_path / "again.jsonl").write_text('{"id": "case-7", "text": "Nausea."}\n')
    assert main([str(corpus), str(tmp_path / "again.jsonl"), "--model", str(model_folder)]) == 2
    assert f"again.jsonl:1: document case-7: expected a unique id, got one that is used in {corpus}; rename it" in (
        capsys.readouterr().err
    )


def test_standard_input_can_be_tagged(model_folder, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(GOOD.encode())))
    assert main(["-", "--model", str(model_folder)]) == 0
    assert capsys.readouterr().out.startswith("1|t|Aspirin and pain.\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "/no/such"], "token-classification model, got '/no/such', no folder; check the path"),
        (["--strategy", "magic"], "expected one of the strategies"),
        (["--strategy", "dense", "--lambda", "1"], "expected a setting of dense"),
        (["--set", "neighbours"], "expected --set SETTING=VALUE"),
        (["--set", "neighbours=two"], "expected neighbours as a whole number"),
        (["--set", "gates=two"], "expected a number, true, false, a word or numbers with commas"),
        (["--set", "speed=2"], "expected a setting of entropy"),
        (["--set", "point=fast"], "expected a setting, got 'point'; write --point"),
        (["--batch-size", "0"], "expected --batch-size 1 or more"),
    ],
)
def test_wrong_options_end_with_status_2_and_a_clear_line(corpus, model_folder, capsys, options, message):
    options = options if "--model" in options else [*options, "--model", str(model_folder)]
    assert main([str(corpus), *options]) == 2
    assert message in capsys.readouterr().err


def test_any_setting_can_be_given(corpus, model_folder, engine, capsys):
    settings = {
        "gates": (1,),
        "max_entropy": 0.6,
        "exit_entities": True,
        "trigger": "confidence",
        "min_confidence": 1.0,
    }
    typed = ["gates=1", "max_entropy=.6", "exit_entities=true", "trigger=confidence", "min_confidence=1"]
    options = ["--strategy", "entropy+recovery", *(f"--set={one}" for one in typed), "--format", "jsonl"]
    assert main([str(corpus), "--model", str(model_folder), *options]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert any(record["entities"] for record in records)
    for record in records:
        found = engine.tag(record["text"], "entropy+recovery", **settings)
        assert [e["score"] for e in record["entities"]] == pytest.approx([e.score for e in found.entities])


@pytest.mark.parametrize("format_", WRITERS)
def test_every_format_is_written_so_that_it_can_be_read_again(format_, corpus, model_folder, engine, capsys, tmp_path):
    assert main([str(corpus), "--model", str(model_folder), "--format", format_, "--strategy", "dense"]) == 0
    path = tmp_path / f"tagged{WRITERS[format_].suffix}"
    path.write_text(capsys.readouterr().out)
    documents = list(read_documents(path))
    assert any(document.entities for document in documents)
    for document in documents:
        found = engine.tag(document.text, "dense").entities
        assert [entity.key for entity in document.entities] == [entity.key for entity in found]
