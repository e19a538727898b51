"""The tab Batch: tags a file of documents and gives tables and a ZIP of what each strategy found."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import gradio as gr

from demo.common.events import EVERY_CHANGE, HIDDEN, QUIET, fingerprint
from demo.common.inputs import Inputs
from demo.common.limits import (
    BATCH_WORK,
    KEEP_FILES_S,
    MAX_CHARACTERS,
    MAX_DOCUMENTS,
    MAX_FILE_BYTES,
    check_strategies,
)
from demo.common.links import model_name
from demo.common.markup import alert, escape, note
from demo.common.requests import Latest
from demo.common.timing import Wanted
from demo.common.uploads import Problems, read_upload
from demo.settings import chosen_strategies, label_with_settings
from demo.tabs.batch.tagging import (
    CHUNK,
    LEAST_TIMED,
    LISTED_ENTITIES,
    Found,
    entity_table,
    gold_types,
    settings_json,
    summary,
    tag_documents,
    write_zip,
)
from engine import Document, Engine, InputError
from engine.data.formats import format_of

LABEL = "Batch"
SAMPLE = Path(__file__).resolve().parents[3] / "eval" / "sample" / "sample.pubtator.txt"
ZIP = "tagged.zip"
ABOUT = f"""
Tags every document in a file with the strategies and settings on this page. The file may be PubTator, BioC (XML or
JSON), CoNLL, JSON lines, PubMed XML or plain text: uncompressed UTF-8, up to {MAX_FILE_BYTES // 10**6} MB and
{MAX_DOCUMENTS} documents of {MAX_CHARACTERS:,} characters each.
Entities in the file count as gold. The server deletes your files after at most {2 * KEEP_FILES_S // 60} minutes.
The sample comes with the project: 30 short abstracts with gold, none of them from BC5CDR, NCBI-disease or BioRED.
"""
MEASURING = '<a href="docs/reports.md">eval.report</a>'
CELL_CHARACTERS = 30  # per cell, so no column is cut; a click shows the rest
UPDATE_S = 1.0  # between updates: browsers draw more slowly than short documents are tagged
CANCELLED = "Cancelled. The tables show the documents tagged by then."
CANCELLED_EARLY = "Cancelled before any document was tagged."
OUT_OF_DATE = "Out of date: the file or the settings have changed. Press Tag the file."


def read_batch(path: str) -> tuple[list[Document], Problems]:
    """Reads the documents of a file, and what is wrong with those that are left out."""
    problems = Problems()
    read = read_upload(Path(path), problems)
    documents = list(islice(read, MAX_DOCUMENTS))
    if more := sum(1 for _ in read):
        problems.add(f"expected at most {MAX_DOCUMENTS} documents, got {MAX_DOCUMENTS + more}; split the file", more)
    return documents, problems


def status(file: str, documents: Sequence[Document], found: Found, problems: Problems, run: str) -> str:
    """How many documents of a file are tagged, by which run, how times were measured, and what was left out."""
    done = min((len(of) for of in found.values()), default=0)
    remarks = []
    types = gold_types(documents)
    predicted = [entity for of in found.values() for one in of for entity in one.document.entities]
    if types:
        unscored = sum(entity.type not in types for entity in predicted)
        others = f"; {unscored} predictions of other types are not scored" if unscored else ""
        remarks.append(f"F1 counts exact spans of the types in the file ({', '.join(types)}){others}.")
    if done < LEAST_TIMED:
        remarks.append(f"Speed-ups need {LEAST_TIMED} documents.")
    if len(predicted) > LISTED_ENTITIES:
        remarks.append(
            f"The table shows the first {LISTED_ENTITIES:,} of {len(predicted):,} entities; the ZIP has them all."
        )
    page = (
        f'<p class="note"><b>{escape(file)}</b>: {done} of {len(documents)} documents tagged with {escape(run)} '
        f"Times are from one pass, {CHUNK} documents per call: a rough guide only. To measure speed, use {MEASURING}. "
        f"{escape(' '.join(remarks))}</p>"
    )
    if problems.count:
        stopped = " Reading stopped there." if problems.stopped else ""
        page += alert(f"Left out: {problems.count}.{stopped}")
        page += "".join(map(note, problems.listed)) + note("…") * (problems.count > len(problems.listed))
    return page


def run_batch(
    engine: Engine, wanted: Wanted, progress: gr.Progress, path: str | None, names: list[str], *settings: Any
) -> Iterator[list[Any]]:
    """Yields updates of status, summary, entities and ZIP; the ZIP comes last, and only if it is still wanted."""
    try:
        if path is None:
            raise InputError("There is no file yet: upload one, or use the sample.")
        strategies = chosen_strategies(engine, check_strategies(names), *settings)
        documents, problems = read_batch(path)
        file = f"{Path(path).name}, read as {format_of(path).name}"
    except InputError as error:
        yield [alert(str(error)), *[gr.skip()] * 3]
        return
    named = (label_with_settings(engine, strategy, settings[0]) for strategy in strategies)
    run = f"{model_name(engine)}: {', '.join(named)}."
    found: dict[str, Any] = {}

    def update(message: str = "", archive: Path | None = None) -> list[Any]:
        """The tables of what is found, if anything is, below a message or the status."""
        tables = summary(documents, found), entity_table(found)
        shown = [gr.update(value=table, visible=bool(found)) for table in tables]
        files = gr.update(value=str(archive), visible=True) if archive else gr.skip()
        return [message or status(file, documents, found, problems, run), *shown, files]

    due = time.monotonic()
    for found in tag_documents(engine, documents, strategies, wanted):
        progress((len(found[strategies[0].name]), len(documents)), unit="documents")
        if time.monotonic() >= due:
            yield update()
            due = time.monotonic() + UPDATE_S
    if not wanted():
        yield update(alert(CANCELLED if found else CANCELLED_EARLY))
    elif not found:
        yield update()
    else:
        # Gradio copies the file at the yield; ours is deleted after it.
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / ZIP
            write_zip(documents, found, settings_json(engine, strategies), archive)
            yield update(archive=archive)


def sample_file() -> Iterator[str]:
    """Yields a copy of the sample; Gradio copies it again at the yield."""
    with tempfile.TemporaryDirectory() as folder:
        yield shutil.copy(SAMPLE, folder)


def build(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    """Builds the tab."""

    def on_start(latest: Latest, *values: Any) -> list[Any]:
        hidden = gr.update(value=None, visible=False)
        return [latest.take(fingerprint(values)), "", "", hidden, hidden, hidden]

    def on_run(
        latest: Latest,
        number: int,
        path: str | None,
        names: list[str],
        *settings: Any,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[list[Any]]:
        yield from run_batch(engine, lambda: latest.number == number, progress, path, names, *settings)

    def on_stop(latest: Latest) -> None:
        latest.take(latest.mark)

    def on_outdated(latest: Latest, *values: Any) -> str:
        return alert(OUT_OF_DATE) if latest.mark not in (None, fingerprint(values)) else ""

    gr.Markdown(ABOUT)
    upload = gr.File(label="File", height=140)
    with gr.Row():
        run = gr.Button("Tag the file", variant="primary", min_width=120)
        sample = gr.Button("Use the sample", min_width=120)
        cancel = gr.Button("Cancel tagging", min_width=120)
    outdated = gr.HTML(elem_classes="batch-outdated")
    report = gr.HTML(elem_classes="batch-result")
    hidden: dict[str, Any] = {"interactive": False, "visible": False, "elem_classes": "batch-result"}
    table = gr.Dataframe(label="By strategy", datatype="str", **hidden)
    entities = gr.Dataframe(label="Entities", datatype="str", max_height=400, max_chars=CELL_CHARACTERS, **hidden)
    files = gr.File(label="Everything as a ZIP: every format, both tables, and the settings", **hidden)
    latest, number = gr.State(Latest()), gr.State(0)

    loaded = sample.click(sample_file, None, upload, concurrency_id="sample", **HIDDEN)
    values = [upload, *inputs.choice]
    shown = [report, table, entities, files]
    for start in (run.click, loaded.success):
        started = start(on_start, [latest, *values], [number, outdated, *shown], **QUIET)
        started.then(
            on_run, [latest, number, *values], shown, trigger_mode="always_last", api_visibility="private", **BATCH_WORK
        )
    # Gradio's `cancels` loses what is said after it: the page still draws what it received before, and an error.
    cancel.click(on_stop, latest, None, **QUIET)
    for value in values:
        value.change(on_outdated, [latest, *values], outdated, **EVERY_CHANGE)
