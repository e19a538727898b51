"""The tab Your files: tags the documents of files and gives tables and a ZIP of what each strategy found."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import gradio as gr

from demo.common.commands import files_commands
from demo.common.inputs import Inputs
from demo.common.limits import BATCH_WORK, KEEP_FILES_S, MAX_CHARACTERS, MAX_DOCUMENTS, MAX_FILE_BYTES, check_strategies
from demo.common.links import model_name
from demo.common.markup import alert, escape, note, number_of, table
from demo.common.requests import Latest
from demo.common.uploads import LISTED_PROBLEMS, Problems, read_upload
from demo.common.wiring import EVERY_CHANGE, HIDDEN, QUIET
from demo.settings import chosen_strategy
from demo.tabs.your_files.tagging import (
    CHUNK,
    COLUMNS,
    LEAST_TIMED,
    Found,
    entity_rows,
    gold_types,
    settings_json,
    summary,
    tag_documents,
    who_is_right,
    write_zip,
)
from engine import Document, Engine, InputError
from engine.formats import Ids

LABEL = "Your files"
SAMPLE = Path(__file__).resolve().parents[3] / "eval" / "sample" / "sample.pubtator.txt"
ZIP = "tagged.zip"
ABOUT = f"""
Tags every document in your files with the strategies and settings on this page. A file may be PubTator, BioC (XML or
JSON), CoNLL, JSON lines, PubMed XML, CSV or TSV with a column `text`, or plain text, in uncompressed UTF-8. In CSV and
TSV a column `id` or `pmid` names the documents; a document without an id is named after its file and row. Ids must be
unique over all files. The limits are {MAX_FILE_BYTES // 2**20} MB a file, {MAX_CHARACTERS:,} characters a document, and
{MAX_DOCUMENTS} documents in all. Entities in a file count as gold for all of its documents. The server deletes your
files after at most {2 * KEEP_FILES_S // 60} minutes.
The sample comes with the project: 30 short abstracts with gold, none of them from BC5CDR, NCBI-disease or BioRED.
"""
MEASURING = '<a href="docs/reports.md">eval.report</a>'
LISTED_ENTITIES = 1000
CELL_CHARACTERS = 300  # of an id or a mention in the table
UPDATE_S = 1.0  # between updates: browsers draw more slowly than short documents are tagged
CANCELLED = "Cancelled. The tables show the documents tagged by then."
CANCELLED_EARLY = "Cancelled before any document was tagged."
NO_ZIP = gr.update(value=None, visible=False)
OUT_OF_DATE = "Out of date: the files or the settings have changed. Press Tag the files."


@dataclass(frozen=True)
class Batch:
    """What uploaded files hold.

    ``files``, ``has_gold``: for each document, the name of its file, and whether that has annotations.
    """

    documents: list[Document]
    files: list[str]
    has_gold: list[bool]
    problems: Problems


def read_files(paths: Sequence[str]) -> Batch:
    """Reads the documents of files, and what is wrong with those that are left out."""
    batch, ids = Batch([], [], [], Problems()), Ids()
    left_out = 0
    for path in paths:
        documents = list(read_upload(Path(path), batch.problems, ids))
        gold = any(document.entities for document in documents)
        fitting = documents[: MAX_DOCUMENTS - len(batch.documents)]
        left_out += len(documents) - len(fitting)
        batch.documents.extend(fitting)
        batch.files.extend([Path(path).name] * len(fitting))
        batch.has_gold.extend([gold] * len(fitting))
    if left_out:
        got = MAX_DOCUMENTS + left_out
        batch.problems.add(f"expected at most {MAX_DOCUMENTS} documents, got {got}; split them", number=left_out)
        batch.problems.limits = True
    return batch


def status(engine: Engine, files: int, batch: Batch, found: Sequence[Found]) -> str:
    """How many documents are tagged, by which strategies, how times were measured, and what was left out."""
    done = min((len(outcome.tagged) for outcome in found), default=0)
    remarks = []
    documents, types = batch.documents, gold_types(batch.documents)
    predicted = [entity for outcome in found for tagged in outcome.tagged for entity in tagged.document.entities]
    if types:
        unscored = sum(entity.type not in types for entity in predicted)
        others = f"; {unscored} predictions of other types are not scored" if unscored else ""
        scored = f"{sum(batch.has_gold[:done])} of {number_of(done, 'document')}"
        remarks.append(f"F1 on {scored}, those of files with annotations; exact spans ({', '.join(types)}){others}.")
        remarks += who_is_right(documents, batch.has_gold, found)
    if done < LEAST_TIMED:
        remarks.append(f"Times need {LEAST_TIMED} documents.")
    else:
        remarks.append(f"Times are from one pass, {CHUNK} documents per call: a rough guide only.")
    if len(predicted) > LISTED_ENTITIES:
        remarks.append(
            f"The table shows the first {LISTED_ENTITIES:,} of {len(predicted):,} entities; the ZIP has them all."
        )
    by = ", ".join(outcome.label for outcome in found)
    return (
        f'<p class="note"><b>{number_of(files, "file")}</b>: {done} of {number_of(len(documents), "document")} tagged '
        f"by {escape(model_name(engine))} with {escape(by)}. {escape(' '.join(remarks))} To measure speed, use "
        f"{MEASURING}.</p>"
        f"{_left_out(batch.problems)}"
    )


def entity_table(files: Sequence[str], found: Sequence[Found]) -> str:
    """The first entities found, with long texts cut; ``files``: that of each document."""
    rows = ([_cut_text(str(cell)) for cell in row] for row in islice(entity_rows(files, found), LISTED_ENTITIES))
    return table("Entities", "entities", COLUMNS, rows)


def _cut_text(text: str) -> str:
    return f"{text[:CELL_CHARACTERS]}…" if len(text) > CELL_CHARACTERS else text


def _left_out(problems: Problems) -> str:
    if not problems.listed:
        return ""
    return (
        alert(f"Left out: {', '.join(number_of(number, what) for what, number in problems.left_out.items())}.")
        + "".join(map(note, problems.listed))
        + note("…") * (problems.left_out.total() > len(problems.listed) == LISTED_PROBLEMS)
    )


def run_files(
    engine: Engine,
    wanted: Callable[[], bool],
    progress: gr.Progress,
    shown: str,
    paths: Sequence[str] | None,
    names: list[str],
    point: str | None,
    *settings: Any,
) -> Iterator[list[Any]]:
    """Yields updates of report and ZIP; the ZIP comes last, and only if it is still wanted.

    ``shown``: the strategy of the commands that have no limits.
    """
    try:
        if not paths:
            raise InputError("There is no file yet: upload one, or use the sample.")
        strategies = [chosen_strategy(engine, name, point, *settings) for name in check_strategies(names)]
    except InputError as error:
        yield [alert(str(error)), NO_ZIP]
        return
    batch = read_files(paths)
    problems = batch.problems
    of_commands = next((strategy for strategy in strategies if strategy.name == shown), strategies[-1])
    commands = files_commands(engine, of_commands, point, [Path(path).name for path in paths])
    advice = note("Without limits:") + f"<pre><code>{escape(commands)}</code></pre>" if problems.limits else ""
    if not batch.documents:
        said = "".join(map(alert, problems.listed or ["The files contain no documents."]))
        yield [said + advice, NO_ZIP]
        return
    found: list[Found] = []

    def update(message: str = "", archive: Path | None = None) -> list[Any]:
        """The tables of what is found, if anything is, below a message or the status."""
        report = (message or status(engine, len(paths), batch, found)) + advice
        if found:
            heads, *rows = summary(batch.documents, batch.has_gold, found)
            report += table("By strategy", "summary", heads, rows) + entity_table(batch.files, found)
        return [report, gr.update(value=str(archive), visible=True) if archive else gr.skip()]

    due = time.monotonic()
    for found in tag_documents(engine, batch.documents, strategies, point, wanted):
        progress((len(found[0].tagged), len(batch.documents)), unit="documents")
        if time.monotonic() >= due:
            yield update()
            due = time.monotonic() + UPDATE_S
    if not wanted():
        yield update(alert(CANCELLED if found else CANCELLED_EARLY))
        return
    # Gradio copies the file at the yield; ours is deleted after it.
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / ZIP
        tables = summary(batch.documents, batch.has_gold, found), entity_rows(batch.files, found)
        write_zip(found, *tables, settings_json(engine, strategies), archive)
        yield update(archive=archive)


def sample_file() -> Iterator[list[str]]:
    """Yields a copy of the sample; Gradio copies it again at the yield."""
    with tempfile.TemporaryDirectory() as folder:
        yield [shutil.copy(SAMPLE, folder)]


def build(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    """Builds the tab."""

    def on_start(latest: Latest, *values: Any) -> list[Any]:
        latest.take(*values)
        return ["", "", NO_ZIP]

    def on_tag_files(
        latest: Latest,
        *values: Any,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[list[Any]]:
        number = latest.number
        yield from run_files(engine, lambda: latest.wants(number), progress, *values)

    def on_outdated(latest: Latest, *values: Any) -> str:
        return alert(OUT_OF_DATE) if latest.number and not latest.is_for(*values) else ""

    gr.Markdown(ABOUT)
    upload = gr.File(label="Files", file_count="multiple", height=140)
    with gr.Row():
        run = gr.Button("Tag the files", variant="primary", min_width=120)
        sample = gr.Button("Use the sample", min_width=120)
        cancel = gr.Button("Cancel tagging", min_width=120)
    outdated = gr.HTML(elem_classes="files-outdated")
    report = gr.HTML(elem_classes="files-result")
    label = "Everything as a ZIP: every format, both tables, and the settings"
    files = gr.File(label=label, interactive=False, visible=False, elem_classes="files-result")
    latest = gr.State(Latest())

    loaded = sample.click(sample_file, None, upload, concurrency_id="sample", **HIDDEN)
    values = [upload, inputs.panel.strategies, *inputs.panel.settings]
    shown = [report, files]
    for start in (run.click, loaded.success):
        started = start(on_start, [latest, *values], [outdated, *shown], **QUIET)
        started.then(
            on_tag_files,
            [latest, inputs.panel.shown, *values],
            shown,
            trigger_mode="always_last",
            api_visibility="private",
            **BATCH_WORK,
        )
    # Gradio's `cancels` loses what is said after it: the page still draws what it received before, and an error.
    cancel.click(Latest.cancel, latest, None, **QUIET)
    for value in values:
        value.change(on_outdated, [latest, *values], outdated, **EVERY_CHANGE)
