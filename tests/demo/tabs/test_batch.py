"""The tab Batch: files are read, tagged, scored and written; broken documents are named and left out."""

import csv
import json
from itertools import chain, repeat
from pathlib import Path
from zipfile import ZipFile

import gradio as gr
import pytest

from demo.common.limits import MAX_DOCUMENTS
from demo.common.links import model_name
from demo.common.uploads import MAX_PROBLEMS, Problems
from demo.tabs.batch import ABOUT, SAMPLE, read_batch, run_batch, sample_file, status
from demo.tabs.batch.tagging import (
    CHUNK,
    LEAST_TIMED,
    LISTED_ENTITIES,
    SHOWN_CHARACTERS,
    TaggedDocument,
    entity_table,
    settings_json,
    summary,
    tag_documents,
    write_zip,
)
from engine import Document, Entity
from engine.data.formats import WRITERS, read_documents
from engine.inspection.cost import Cost
from engine.text.scoring import Counts, count_documents
from tests.demo.conftest import json_lines
from tests.demo.tabs.conftest import DELIRIUM, FAMOTIDINE

TEXT = "Famotidine-associated delirium. Six patients had nausea."
GOLD = (FAMOTIDINE, DELIRIUM)
HOSTILE = "<img src=x onerror=alert(1)> ${1+1} {{7*7}} delirium"
SETTINGS = (None, "", 0.0, 0.1, 1.0, 0.0)


def run(engine, path, names, wanted=lambda: True):
    return list(run_batch(engine, wanted, lambda *_, **__: None, path and str(path), names, *SETTINGS))


def cost(token_layers, dense):
    """The cost of a text, three MACs for each token-layer."""
    return Cost((), token_layers, dense, 3 * token_layers, 3 * dense)


def tagged(engine, documents, *names):
    *_, last = tag_documents(engine, documents, [engine.strategy(name) for name in names])
    return last


@pytest.fixture
def lines(tmp_path):
    """JSON lines of which the second is broken."""
    return json_lines(tmp_path / "some.jsonl", ({"id": "a", "text": TEXT}, {"id": "b"}, {"id": "c", "text": HOSTILE}))


class TestRead:
    def test_too_many_documents_are_counted(self, tmp_path):
        path = json_lines(tmp_path / "many.jsonl", ({"id": str(i), "text": "x"} for i in range(MAX_DOCUMENTS + 2)))
        documents, problems = read_batch(str(path))
        assert len(documents) == MAX_DOCUMENTS
        assert "expected at most 500 documents, got 502" in problems.listed[0]
        assert problems.count == 2

    def test_the_sample_is_sound(self):
        for path in sample_file():
            documents, problems = read_batch(path)
            assert (len(documents), problems.count) == (30, 0)
            assert f": {len(documents)} short abstracts" in ABOUT
            assert any(document.entities for document in documents)
        assert not Path(path).exists()
        assert SAMPLE.exists()


class TestTag:
    def test_finds_what_the_engine_finds_strategies_taking_turns(self, engine, monkeypatch):
        order = []
        tag_batch = engine.tag_batch
        monkeypatch.setattr(
            engine, "tag_batch", lambda texts, one, **rest: order.append(one.name) or tag_batch(texts, one, **rest)
        )
        documents = [Document(str(i), TEXT[i:]) for i in range(CHUNK + 3)]
        strategies = [engine.strategy(name) for name in ("dense", "rule")]
        steps = [(list(found), len(found["rule"])) for found in tag_documents(engine, documents, strategies)]
        assert steps == [(["dense", "rule"], CHUNK), (["dense", "rule"], CHUNK + 3)]
        assert order[:2] == ["dense", "dense"]  # untimed
        assert order[2:] == ["dense", "rule", "rule", "dense"]
        found = tagged(engine, documents, "rule")["rule"]
        for one, result in zip(found, tag_batch([document.text for document in documents], "rule"), strict=True):
            assert [entity.key for entity in one.document.entities] == [entity.key for entity in result.entities]
            assert one.cost == result.cost

    def test_scores_every_strategy_where_there_is_gold(self, engine):
        documents = [Document("a", TEXT, GOLD), Document("b", HOSTILE)]
        table = summary(documents, tagged(engine, documents, "dense", "truncate-1"))
        assert list(table["strategy"]) == ["dense", "truncate-1"]
        for name, f1 in zip(table["strategy"], table["F1"], strict=True):
            found = [engine.tag(document.text, name).entities for document in documents]
            assert f1 == f"{Counts.total(count_documents(documents, found, ('Chemical', 'Disease'))).f1:.4f}"
        perfect = summary([documents[0]], {"dense": [TaggedDocument(documents[0], cost(1, 2), 3.0)]})
        assert perfect.loc[0, ["F1", "token-layers", "ms/doc"]].tolist() == ["1.0000", "50.0%", "3.0"]

    @pytest.mark.parametrize(
        ("documents", "milliseconds", "shown"),
        [
            (LEAST_TIMED, 2.0, ["1.00×", "1.50×"]),
            (LEAST_TIMED - 1, 2.0, ["–", "–"]),
            (LEAST_TIMED, 1.0, ["1.00×", "–"]),  # faster than half the computation can be
            (LEAST_TIMED, 0.0, ["1.00×", "–"]),
        ],
    )
    def test_speed_up_against_dense_where_there_is_one(self, documents, milliseconds, shown):
        document = Document("a", TEXT)
        rule = [TaggedDocument(document, cost(1, 2), milliseconds)] * documents
        found = {"dense": [TaggedDocument(document, cost(2, 2), 3.0)] * documents, "rule": rule}
        assert summary([document] * documents, found)["speed-up"].tolist() == shown
        said = status("f", [document] * documents, found, Problems(), "")
        assert (f"Speed-ups need {LEAST_TIMED} documents." in said) == (documents < LEAST_TIMED)
        assert "speed-up" not in summary([document] * documents, {"rule": rule})

    def test_the_zip_holds_what_was_found_in_every_format(self, engine, tmp_path):
        documents = [Document("a", f"Title\n{TEXT}"), Document("b", f"Title\n{HOSTILE}")]
        found = tagged(engine, documents, "dense", "entropy+recovery")
        write_zip(documents, found, settings_json(engine, [engine.strategy("dense")]), tmp_path / "all.zip")
        with ZipFile(tmp_path / "all.zip") as archive:
            archive.extractall(tmp_path)
        assert "dense,2," in (tmp_path / "summary.csv").read_text()
        settings = json.loads((tmp_path / "settings.json").read_text())
        assert settings["strategies"] == [engine.strategy("dense").to_json()]
        assert settings["weights_sha256"] == engine.digest
        rows = list(csv.reader((tmp_path / "entities.csv").open(newline="")))
        assert len(rows) == 1 + sum(len(one.document.entities) for of in found.values() for one in of)
        for folder, name in (("dense", "dense"), ("entropy-recovery", "entropy+recovery")):
            for writer in WRITERS.values():
                read = list(read_documents(tmp_path / folder / f"tagged{writer.suffix}"))
                assert [d.text for d in read] == [d.text for d in documents]
                assert [[e.key for e in d.entities] for d in read] == [
                    sorted(e.key for e in one.document.entities) for one in found[name]
                ]

    def test_the_zip_has_no_formula(self, tmp_path):
        document = Document("=1+1", "+x and -y", (Entity(0, 2, "Chemical", "+x"), Entity(7, 9, "Chemical", "-y")))
        write_zip([document], {"dense": [TaggedDocument(document, cost(1, 1), 1.0)]}, "{}", tmp_path / "all.zip")
        with ZipFile(tmp_path / "all.zip") as archive:
            rows = list(csv.DictReader(archive.read("entities.csv").decode().splitlines()))
        assert [(row["document"], row["text"]) for row in rows] == [("'=1+1", "'+x"), ("'=1+1", "'-y")]


class TestRun:
    def test_ends_with_tables_and_files(self, engine, lines):
        *_, (report, table, entities, files) = run(engine, lines, ["dense", "rule"])
        assert "<b>some.jsonl, read as jsonl</b>: 2 of 2 documents tagged with" in report
        assert f"tagged with {model_name(engine)}: dense, rule." in report
        assert "Left out: 1" in report
        assert list(table["value"]["strategy"]) == ["dense", "rule"]
        assert set(entities["value"]["document"]) <= {"a", "c"}
        assert files["value"].endswith("tagged.zip")
        assert not Path(files["value"]).exists()  # ours is deleted after the yield

    @pytest.mark.parametrize(
        ("content", "names", "message"),
        [
            ('{"text": "x"}', [], "No strategy is chosen"),
            (None, ["dense"], "There is no file yet: upload one"),
            ("{\n" * (MAX_PROBLEMS + 7), ["dense"], f"Left out: {MAX_PROBLEMS}. Reading stopped there."),
        ],
    )
    def test_what_cannot_be_tagged_is_said(self, engine, tmp_path, content, names, message):
        path = tmp_path / "some.jsonl"
        path.write_text(content or "")
        (updates,) = run(engine, None if content is None else path, names)
        assert message in updates[0]

    def test_long_tables_and_mentions_are_cut_and_say_so(self):
        text = "x" * 50_000
        many = (Entity(0, len(text), "Disease", text),) + GOLD * LISTED_ENTITIES
        documents = [Document("a", text, many)]
        found = {"dense": [TaggedDocument(documents[0], cost(1, 1), 1.0)]}
        table = entity_table(found)
        assert len(table) == LISTED_ENTITIES
        assert len(table.loc[0, "text"]) == SHOWN_CHARACTERS + 1
        said = status("f", documents, found, Problems(), "")
        assert f"shows the first {LISTED_ENTITIES:,} of {len(many):,} entities" in said

    @pytest.mark.parametrize(
        ("calls", "said", "shown"),
        [(0, "before any document", False), (1, "before any document", False), (3, "The tables show", True)],
    )
    def test_cancel_ends_it_before_the_next_call_and_says_last_what_there_is(
        self, engine, tmp_path, calls, said, shown
    ):
        path = json_lines(tmp_path / "many.jsonl", ({"id": str(i), "text": TEXT} for i in range(3 * CHUNK)))
        answers = chain(repeat(True, calls), repeat(False))
        *_, (message, table, entities, files) = run(engine, path, ["dense", "rule"], lambda: next(answers))
        assert said in message
        assert table["visible"] is entities["visible"] is shown
        assert not shown or table["value"]["docs"].tolist() == [CHUNK, CHUNK]
        assert files == gr.skip()
