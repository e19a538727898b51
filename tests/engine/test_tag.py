import io
import json
import sys

import pytest

from engine import load_engine
from engine.formats import WRITERS
from engine.graph import backend as graph
from engine.tag import main
from tests.conftest import TEXT, memory_below
from tests.engine.formats.reading import GOOD, sound


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text(GOOD)
    return path


@pytest.fixture
def tag(model_folder):
    def run(*arguments):
        return main(["--model", str(model_folder), "--dtype", "float32", *map(str, arguments)])

    return run


def test_files_and_standard_input_are_tagged_in_order_as_pubtator(corpus, tag, capsys, tmp_path, monkeypatch):
    (tmp_path / "notes.txt").write_text("Nausea after aspirin.\nAnd pain.")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"id": "last", "text": "Pain."}')))
    assert tag(corpus, tmp_path / "notes.txt", "-", "--batch-size", "2") == 0
    documents = sound(capsys.readouterr().out, "tagged.pubtator")
    assert [document.id for document in documents] == ["1", "case-7", "notes", "last"]
    assert documents[2].text == "Nausea after aspirin.\nAnd pain."


@pytest.mark.parametrize("format_", WRITERS)
def test_every_format_holds_what_the_engine_finds(format_, corpus, tag, engine, capsys):
    assert tag(corpus, "--format", format_, "--strategy", "dense") == 0
    documents = sound(capsys.readouterr().out, f"tagged{WRITERS[format_].suffix}")
    breaks = [document.breaks for document in documents]
    expected = engine.tag_batch([document.text for document in documents], "dense", breaks=breaks)
    assert any(result.entities for result in expected)
    for document, result in zip(documents, expected, strict=True):
        assert [entity.key for entity in document.entities] == [entity.key for entity in result.entities]


def test_a_model_without_the_point_balanced_is_tagged_as_its_engine_does_by_default(made_folder, tmp_path, capsys):
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": TEXT}))
    assert main([str(tmp_path / "a.jsonl"), "--model", str(made_folder), "--format", "jsonl"]) == 0
    (document,), expected = sound(capsys.readouterr().out, "a.jsonl"), load_engine(made_folder).tag(TEXT).entities
    assert [entity.key for entity in document.entities] == [entity.key for entity in expected] != []


def test_auto_is_the_default_dtype_and_says_what_it_chose(corpus, model_folder, capsys):
    assert main([str(corpus), "--model", str(model_folder)]) == 0
    assert "dtype float32: " in capsys.readouterr().err


def test_the_dtype_is_not_mentioned_where_it_is_8_bits(corpus, capsys):
    assert main([str(corpus)]) == 0
    assert "dtype" not in capsys.readouterr().err


def test_threads_are_those_of_its_engine(corpus, tag, monkeypatch):
    made, session = [], graph.Session
    monkeypatch.setattr(graph, "Session", lambda *given: made.append(given[1]) or session(*given))
    assert tag(corpus, "--threads", 3) == 0
    assert set(made) == {3}
    assert tag(corpus, "--threads", 0) == 2


def test_a_folder_is_refused_with_the_command_that_tags_it(tag, tmp_path, capsys):
    assert tag(tmp_path) == 2
    assert f"bioner bulk {tmp_path} --out" in capsys.readouterr().err


def test_a_plain_text_is_one_document_or_one_a_line_and_it_says_so(tag, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("Nausea after aspirin.\nAnd pain.\n")
    for options, documents, said in ((), 1, True), (["--lines"], 2, False):
        assert tag(tmp_path / "notes.txt", "--format", "jsonl", *options) == 0
        captured = capsys.readouterr()
        assert (captured.out.count("\n"), "one text of 2 lines; with --lines" in captured.err) == (documents, said)


def test_a_line_break_in_a_record_is_no_line_of_plain_text(tag, tmp_path, capsys):
    (tmp_path / "a.jsonl").write_text('{"id": "a", "text": "Nausea.\\nPain."}\n')
    assert tag(tmp_path / "a.jsonl", "--format", "jsonl") == 0
    assert "--lines" not in capsys.readouterr().err


def test_files_that_do_not_exist_are_reported_before_the_model_is_loaded(tag, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("engine.cli.tagging.EngineOptions.load", None)
    assert tag(tmp_path / "none.txt", tmp_path / "no" / "file.xml") == 2
    first, second = capsys.readouterr().err.splitlines()
    assert ("none.txt" in first, "file.xml" in second) == (True, True)
    for options in (["--strategy", "entrop"], ["--strategy", "entropy:fast", "--point", "careful"]):
        assert tag("-", *options) == 2


def test_memory_does_not_grow_with_what_is_broken(tag, tmp_path):
    path = tmp_path / "broken.jsonl"
    path.write_bytes((b"\xe9" * 100_000 + b"\n") * 200)
    with memory_below(10_000_000):
        assert tag(path) == 2


def test_a_wrong_encoding_is_reported_once_a_file(tag, capsys, tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_bytes("text\nÜbelkeit.\nPain.\nÖdem.\nMüde.\n".encode("latin-1"))
    assert tag(tmp_path / "a.csv", tmp_path / "b.csv") == 2
    captured = capsys.readouterr()
    assert captured.err.count("not UTF-8") == 2
    assert captured.out.count("|t|Pain.") == 2


@pytest.mark.parametrize(
    ("name", "content", "keyword"),
    [
        ("a.txt", GOOD.replace("\t7\tAspirin", "\t8\tAspirin"), "a.txt:3: document 1: The text at 0–8"),
        ("a.jsonl", '{"id": "last", "text": "Nausea."}\n' * 2, "a.jsonl:2: document last: The id is used"),
        ("none.txt", None, "none.txt: No such file"),
    ],
)
def test_reports_what_is_broken_and_tags_the_rest(name, content, keyword, tag, capsys, tmp_path):
    if content is not None:
        (tmp_path / name).write_text(content)
    other = tmp_path / "other.jsonl"
    other.write_text('{"id": "of another file", "text": "Nausea."}\n')
    assert tag(tmp_path / name, other) == 2
    captured = capsys.readouterr()
    assert captured.err.count(keyword) == 1
    assert sound(captured.out, "tagged.pubtator")[-1].id == "of another file"


@pytest.mark.parametrize(
    ("options", "keyword"),
    [
        (["--strategy", "dense", "--set", "lambda=1"], "no setting lambda"),
        (["--set", "neighbours"], "not SETTING=VALUE"),
        (["--set", "gates=two"], "ascending whole numbers"),
        (["--set", "gates={[]}"], "ascending whole numbers"),
        (["--set", "max_entropy=None"], "numbers with commas"),
        (["--set", "point=fast"], "--point"),
        (["--batch-size", "0"], "--batch-size must be a whole number, 1 or more"),
    ],
)
def test_rejects_wrong_options_with_status_2_and_one_sentence(corpus, tag, capsys, options, keyword):
    assert tag(corpus, *options) == 2
    assert keyword in capsys.readouterr().err.splitlines()[-1]


def test_any_setting_can_be_given(corpus, tag, engine, capsys):
    settings = {"gates": (1,), "max_entropy": 0.6, "exit_entities": True, "trigger": "confidence"}
    typed = ["gates=1", "max_entropy=.6", "exit_entities=true", "trigger=confidence"]
    options = ["--strategy", "entropy+recovery", *(f"--set={setting}" for setting in typed), "--format", "jsonl"]
    assert tag(corpus, *options) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert any(record["entities"] for record in records)
    for record in records:
        (found,) = engine.tag_batch([record["text"]], "entropy+recovery", breaks=[[record["title_end"]]], **settings)
        assert [e["score"] for e in record["entities"]] == pytest.approx([e.score for e in found.entities])
