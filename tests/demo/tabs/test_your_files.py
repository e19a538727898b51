"""The tab Your files: documents of files are tagged, scored and written; broken ones are named and left out."""

import csv
import json
import re
import shutil
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path
from zipfile import ZipFile

import gradio as gr
import pytest

from demo.common.limits import MAX_CHARACTERS, MAX_DOCUMENTS
from demo.common.requests import Latest
from demo.tabs.your_files import (
    ABOUT,
    CELL_CHARACTERS,
    LISTED_ENTITIES,
    NO_ZIP,
    SAMPLE,
    entity_table,
    run_files,
    sample_file,
    status,
)
from demo.tabs.your_files.tagging import (
    CHUNK,
    LEAST_TIMED,
    Found,
    TaggedDocument,
    entity_rows,
    summary,
    tag_documents,
    who_is_right,
    write_zip,
)
from demo.tabs.your_files.uploads import Upload, read_files
from engine import Document, Entity
from engine.formats import WRITERS, read_documents
from engine.pruning.cost import Cost
from engine.text.scoring import Counts, count_documents
from tests.demo.conftest import components, json_lines, listeners, page_values
from tests.demo.tabs.conftest import DELIRIUM, FAMOTIDINE, as_stored

TEXT = "Famotidine-associated delirium. Six patients had nausea."
GOLD = (FAMOTIDINE, DELIRIUM)
TYPES = ("Chemical", "Disease")
HOSTILE = "<img src=x onerror=alert(1)> ${1+1} {{7*7}} delirium"


def steps(engine, paths, names, wanted=lambda: True, shown="dense"):
    values = [list(map(str, paths)), names, None, "", *page_values(engine)]
    return run_files(engine, wanted, lambda *_, **__: None, shown, *values)


def run(*given, **options):
    return list(steps(*given, **options))


def uploads(*documents):
    """Documents of a file; those with annotations count as gold."""
    return [Upload(document, "a.txt", bool(document.entities)) for document in documents]


def tagged(engine, documents, *names):
    """What these strategies find in documents."""
    strategies = [as_stored(engine.strategy(name)) for name in names]
    *_, last = tag_documents(engine, uploads(*documents), strategies, lambda: True)
    return last


def found(engine, documents, milliseconds=1.0, **entities):
    """What strategies found, by name: the entities of each document, which cost half of what dense costs."""
    cost = Cost((1,), 2, 3, 6)
    return [
        Found(
            as_stored(engine.strategy(name)),
            [
                TaggedDocument(upload, own, cost, milliseconds)
                for upload, own in zip(uploads(*documents), of, strict=True)
            ],
        )
        for name, of in entities.items()
    ]


def column_of(table):
    """The values of a column by its head."""
    heads, *rows = table
    return lambda head: [row[heads.index(head)] for row in rows]


def test_the_sample_is_sound():
    for paths in sample_file():
        read, problems = read_files(paths)
        assert (len(read), problems.listed) == (30, [])
        assert ": 30 short abstracts" in ABOUT
        assert all(upload.has_gold for upload in read)
    assert not Path(*paths).exists()
    assert SAMPLE.exists()


class TestTag:
    def test_finds_what_the_engine_finds_strategies_taking_turns(self, engine, monkeypatch):
        order, tag_batch = [], engine.tag_batch
        monkeypatch.setattr(
            engine, "tag_batch", lambda texts, one, **rest: order.append(one.name) or tag_batch(texts, one, **rest)
        )
        documents = [Document(str(i), TEXT[i:]) for i in range(CHUNK + 3)]
        dense, rule = tagged(engine, documents, "dense", "rule")
        assert len(dense.tagged) == len(rule.tagged) == CHUNK + 3
        assert order[:2] == ["dense", "dense"]  # untimed
        assert order[2:] == ["dense", "rule", "rule", "dense"]
        for one, result in zip(rule.tagged, tag_batch([document.text for document in documents], "rule"), strict=True):
            assert [entity.key for entity in one.document.entities] == [entity.key for entity in result.entities]
            assert one.cost == result.cost

    def test_scores_every_strategy_where_there_is_gold(self, engine):
        documents = [Document("a", TEXT, GOLD), Document("b", HOSTILE)]
        table = column_of(summary(tagged(engine, documents, "dense", "truncate-1"), TYPES))
        assert table("strategy") == ["dense (float32)", "truncate-1 (float32)"]
        for name, f1 in zip(("dense", "truncate-1"), table("F1"), strict=True):
            counts = count_documents(documents[:1], [engine.tag(TEXT, name).entities], TYPES)
            assert f1 == f"{Counts.total(counts).f1:.4f}"
        perfect = column_of(summary(found(engine, documents[:1], dense=[GOLD]), TYPES))
        assert [perfect(name) for name in ("F1", "computation")] == [["1.0000"], ["50.0\u00a0%"]]

    @pytest.mark.parametrize(
        ("documents", "ms", "times"),
        [(LEAST_TIMED, ["3.0", "2.0"], ["1.0×", "1.5×"]), (LEAST_TIMED - 1, ["–", "–"], ["–", "–"])],
    )
    def test_a_few_documents_have_no_times_others_have_them_beside_dense_if_it_ran(self, engine, documents, ms, times):
        many, nothing = [Document("a", TEXT)] * documents, [()] * documents
        both = [*found(engine, many, 3.0, dense=nothing), *found(engine, many, 2.0, rule=nothing)]
        table = column_of(summary(both, ()))
        assert [table("ms/doc"), table("times as fast")] == [ms, times]
        said = status(engine, uploads(*many), both)
        assert (f"Times need {LEAST_TIMED} documents." in said) == (documents < LEAST_TIMED)
        assert ("Times are from one pass" in said) == (documents >= LEAST_TIMED)
        assert "times as fast" not in summary(both[1:], ())[0]

    def test_where_strategies_differ_from_all_layers_gold_says_who_is_right(self, engine):
        documents = [Document("a", TEXT, GOLD), Document("b", TEXT, GOLD), Document("c", TEXT)]
        wrong = Entity(11, 21, "Disease", "associated")
        both = found(engine, documents, dense=[(wrong,), (DELIRIUM,), GOLD], rule=[GOLD, (FAMOTIDINE, wrong), ()])
        assert list(who_is_right(both)) == [
            "Of the entities in the files, rule (float32) alone finds 3, and all layers alone find 1."
        ]

    def test_entities_of_dense_come_last_and_each_row_names_strategy_and_point(self, engine):
        both = found(engine, [Document("a", TEXT)], dense=[GOLD], entropy=[GOLD])
        both[1] = replace(both[1], chosen=as_stored(engine.strategy("entropy"), "fast"))
        assert [row[2] for row in entity_rows(both)] == ["entropy:fast (float32)"] * 2 + ["dense (float32)"] * 2

    def test_the_zip_holds_what_was_found_in_every_format(self, engine, tmp_path):
        documents = [Document("a", f"Title\n{TEXT}"), Document("b", f"Title\n{HOSTILE}")]
        both = tagged(engine, documents, "dense", "entropy+recovery")
        write_zip(both, (), engine, tmp_path / "all.zip")
        with ZipFile(tmp_path / "all.zip") as archive:
            archive.extractall(tmp_path)
        assert "dense (float32),2," in (tmp_path / "summary.csv").read_text()
        settings = json.loads((tmp_path / "settings.json").read_text())
        assert settings["strategies"] == [engine.strategy(name).to_json() for name in ("dense", "entropy+recovery")]
        assert settings["weights_sha256"] == engine.digest
        rows = list(csv.reader((tmp_path / "entities.csv").open(newline="")))
        assert {"strategy", "file", "document"} <= set(rows[0])
        assert len(rows) == 1 + sum(len(each.entities) for one in both for each in one.tagged)
        for folder, one in zip(("dense", "entropy-recovery"), both, strict=True):
            expected = [sorted(entity.key for entity in each.entities) for each in one.tagged]
            for writer in WRITERS.values():
                read = list(read_documents(tmp_path / folder / f"tagged{writer.suffix}"))
                assert [d.text for d in read] == [d.text for d in documents]
                assert [[e.key for e in d.entities] for d in read] == expected

    def test_the_zip_has_no_formula(self, engine, tmp_path):
        document = Document("=1+1", "+x and -y")
        entities = (Entity(0, 2, "Chemical", "+x"), Entity(7, 9, "Chemical", "-y"))
        write_zip(found(engine, [document], dense=[entities]), (), engine, tmp_path / "all.zip")
        with ZipFile(tmp_path / "all.zip") as archive:
            rows = list(csv.DictReader(archive.read("entities.csv").decode().splitlines()))
        assert [(row["document"], row["text"]) for row in rows] == [("'=1+1", "'+x"), ("'=1+1", "'-y")]


class TestRun:
    def test_ends_with_tables_and_files(self, engine, tmp_path):
        records = ({"id": "a", "text": TEXT}, {"id": "b"}, {"id": "c", "text": HOSTILE})
        paths = [json_lines(tmp_path / "some.jsonl", records), json_lines(tmp_path / "more.jsonl", [{"text": TEXT}])]
        *_, (report, files) = run(engine, paths, ["dense", "rule"])
        assert "<b>2 files</b>: 3 of 3 documents tagged by" in report
        assert "with dense (float32), rule (float32)." in report
        assert "Left out: 1 document." in report
        by_strategy, entities = re.findall("<tbody>(.*?)</tbody>", report, re.DOTALL)
        assert re.findall('<th scope="row">(.*?)</th>', by_strategy) == ["dense (float32)", "rule (float32)"]
        whose = re.findall('<th scope="row">(.*?)</th><td>(.*?)</td>', entities)
        assert {("some.jsonl", "a"), ("more.jsonl", "more-1")} <= set(whose)
        assert files["value"].endswith("tagged.zip")
        assert not Path(files["value"]).exists()  # ours is deleted after the yield

    @pytest.mark.parametrize(
        ("content", "names", "message"),
        [
            (b'{"text": "x"}', [], "No strategy is chosen"),
            (None, ["dense"], "There is no file yet: upload one"),
            (b"%PDF-1.7", ["dense"], "some.jsonl: expected text, got a PDF"),
        ],
    )
    def test_rejects_what_cannot_be_tagged_with_one_message_alone(self, engine, tmp_path, content, names, message):
        path = tmp_path / "some.jsonl"
        path.write_bytes(content or b"")
        (updates,) = run(engine, [] if content is None else [path], names)
        assert message in updates[0]
        assert updates[0].count("alert") == 2, "class and role of one"
        assert updates[1:] == [NO_ZIP]

    def test_files_without_annotations_do_not_lower_f1_and_those_with_some_count_whole(self, engine, tmp_path):
        gold = [{"start": one.start, "end": one.end, "type": one.type} for one in engine.tag(TEXT, "dense").entities]
        assert gold
        records = [{"id": "a", "text": TEXT, "entities": gold}, {"id": "b", "text": TEXT}]
        paths = [json_lines(tmp_path / "gold.jsonl", records)]
        paths += [json_lines(tmp_path / f"{i}.jsonl", [{"id": str(i), "text": TEXT}]) for i in range(3)]
        *_, (report, _) = run(engine, paths, ["dense"])
        assert "F1 on 2 of 5 documents" in report
        assert "<td>0.6667</td><td>0.5000</td><td>1.0000</td></tr>" in report

    @pytest.mark.parametrize(("text", "documents"), [("x" * (MAX_CHARACTERS + 1), 1), ("x", MAX_DOCUMENTS + 1)])
    def test_over_a_limit_it_gives_the_commands_for_the_files_and_the_strategy_shown(
        self, engine, tmp_path, text, documents, monkeypatch
    ):
        monkeypatch.setattr("demo.tabs.your_files.uploads.MAX_DOCUMENTS", 2)
        path = json_lines(tmp_path / "many.jsonl", ({"id": str(i), "text": text} for i in range(min(documents, 3))))
        for report, *_ in run(engine, [path], ["dense", "rule", "truncate-1"], shown="rule"):
            assert "python -m engine.tag many.jsonl --strategy=rule" in report
            assert "tagged.pubtator\n# whole folders" in report  # the format that engine.tag writes
            assert "python -m engine.bulk FOLDER" in report
        assert "python -m" not in run(engine, [json_lines(tmp_path / "one.jsonl", [{"text": "x"}])], ["dense"])[-1][0]

    def test_the_page_knows_which_strategy_is_shown_when_it_gives_the_commands(self, demo, tmp_path):
        path, latest = json_lines(tmp_path / "long.jsonl", [{"text": "x" * (MAX_CHARACTERS + 1)}]), Latest()
        given = {gr.File: [str(path)], gr.CheckboxGroup: ["dense", "rule", "truncate-1"]}
        (shown,) = components(demo, gr.Radio, label="Strategy shown")
        (listener, *_) = listeners(demo, "on_tag_files")
        _, *values = ("rule" if one is shown else given.get(type(one), one.value) for one in listener.inputs)
        latest.take()
        (report, _), *_ = listener.fn(latest, *values)
        assert "python -m engine.tag long.jsonl --strategy=rule" in report

    def test_tables_keep_the_ids_of_their_column_and_the_page_reads_its_own_output(self, engine, tmp_path):
        paths = [tmp_path / "one.csv", tmp_path / "two.csv"]
        for path, column, number in zip(paths, ("pmid", "id"), (7, 9), strict=True):
            path.write_text(f"{column},text\n{number},{TEXT}\n{number + 1},Pain.\n")
        for _, files in steps(engine, paths, ["dense"]):
            if "value" in files:
                shutil.unpack_archive(files["value"], tmp_path)
        for writer in WRITERS.values():
            tagged = tmp_path / "dense" / f"tagged{writer.suffix}"
            assert [document.id for document in read_documents(tagged)] == ["7", "8", "9", "10"]
            *_, (report, _) = steps(engine, [tagged], ["dense"])
            assert "4 of 4 documents" in report
            assert "Left out" not in report

    def test_long_tables_and_mentions_are_cut_and_say_so(self, engine):
        many = (Entity(0, 50_000, "Disease", "x" * 50_000),) + GOLD * LISTED_ENTITIES
        dense = found(engine, [Document("a", TEXT)], dense=[many])
        table = entity_table(dense)
        assert table.count('<th scope="row">') == LISTED_ENTITIES
        assert f"<td>{'x' * CELL_CHARACTERS}…</td>" in table
        assert f"shows the first {LISTED_ENTITIES:,} of {len(many):,} entities" in status(engine, [], dense)

    @pytest.mark.parametrize(
        ("calls", "said", "shown"), [(1, "before any document", False), (3, "The tables show", True)]
    )
    def test_cancel_ends_it_before_the_next_call_and_says_what_there_is(self, engine, tmp_path, calls, said, shown):
        path = json_lines(tmp_path / "many.jsonl", ({"id": str(i), "text": TEXT} for i in range(3 * CHUNK)))
        answers = chain(repeat(True, calls), repeat(False))
        *_, (report, files) = run(engine, [path], ["dense", "rule"], lambda: next(answers))
        assert said in report
        tables = [f"{name} (float32)</th><td>{CHUNK}</td>" for name in ("dense", "rule")]
        assert [one in report for one in tables] == [shown] * 2
        assert files == gr.skip()
