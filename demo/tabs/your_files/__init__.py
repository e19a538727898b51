"""The tab Your files: tags the documents of files and gives tables and a ZIP of what each strategy found."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import gradio as gr

from demo.common.commands import files_commands
from demo.common.inputs import Inputs
from demo.common.limits import (
    BATCH_WORK,
    EVERY_CHANGE,
    HIDDEN,
    KEEP_FILES_S,
    MAX_CHARACTERS,
    MAX_DOCUMENTS,
    MAX_FILE_BYTES,
    QUIET,
    check_strategies,
)
from demo.common.markup import alert, escape, html_table, note, number_of
from demo.common.requests import Latest
from demo.settings import chosen_strategy
from demo.tabs.your_files.tagging import (
    CHUNK,
    COLUMNS,
    LEAST_TIMED,
    Found,
    entity_rows,
    summary,
    tag_documents,
    who_is_right,
    write_zip,
)
from demo.tabs.your_files.uploads import LISTED_PROBLEMS, Problems, Upload, read_files
from engine import Engine, InputError
from engine.models.shipped import short_name

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


def gold_types(uploads: Sequence[Upload]) -> list[str]:
    """The entity types in the files; only these are scored."""
    return sorted({entity.type for upload in uploads for entity in upload.document.entities})


def status(engine: Engine, uploads: Sequence[Upload], found: Sequence[Found]) -> str:
    """How many documents are tagged, by which strategies, and how times were measured."""
    tagged = [one for outcome in found for one in outcome.tagged]
    done = len(found[0].tagged)
    types = gold_types(uploads)
    remarks = []
    if types:
        unscored = sum(entity.type not in types for one in tagged for entity in one.entities)
        others = f"; {unscored} predictions of other types are not scored" if unscored else ""
        scored = f"{sum(upload.has_gold for upload in uploads[:done])} of {number_of(done, 'document')}"
        remarks.append(f"F1 on {scored}, those of files with annotations; exact spans ({', '.join(types)}){others}.")
        remarks += who_is_right(found)
    if done < LEAST_TIMED:
        remarks.append(f"Times need {LEAST_TIMED} documents.")
    else:
        remarks.append(f"Times are from one pass, {CHUNK} documents per call: a rough guide only.")
    if (entities := sum(len(one.entities) for one in tagged)) > LISTED_ENTITIES:
        remarks.append(f"The table shows the first {LISTED_ENTITIES:,} of {entities:,} entities; the ZIP has them all.")
    by = ", ".join(outcome.chosen.label for outcome in found)
    return (
        f"{done} of {number_of(len(uploads), 'document')} tagged by {escape(short_name(engine.source))} with "
        f"{escape(by)}. {escape(' '.join(remarks))} To measure speed, use {MEASURING}."
    )


def entity_table(found: Sequence[Found]) -> str:
    """The first entities found, with long texts cut."""
    rows = ([_cut_text(str(cell)) for cell in row] for row in islice(entity_rows(found), LISTED_ENTITIES))
    return html_table("Entities", "entities", COLUMNS, rows)


def _cut_text(text: str) -> str:
    return f"{text[:CELL_CHARACTERS]}…" if len(text) > CELL_CHARACTERS else text


def left_out(problems: Problems) -> str:
    """What was left out of the files, and why; empty if nothing was."""
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
    uploads, problems = read_files(paths)
    advice = ""
    if problems.limits:
        chosen = next((one for one in strategies if one.name == shown), strategies[-1])
        commands = files_commands(engine, chosen, [Path(path).name for path in paths])
        advice = note("Without limits:") + f"<pre><code>{escape(commands)}</code></pre>"
    if not uploads:
        yield ["".join(map(alert, problems.listed or ["The files contain no documents."])) + advice, NO_ZIP]
        return
    types = gold_types(uploads)
    found: list[Found] = []

    def tables() -> str:
        heads, *rows = summary(found, types)
        return advice + html_table("By strategy", "summary", heads, rows) + entity_table(found)

    def report() -> str:
        said = f"<b>{number_of(len(paths), 'file')}</b>: {status(engine, uploads, found)}"
        return f'<p class="note">{said}</p>{left_out(problems)}{tables()}'

    due = time.monotonic()
    for found in tag_documents(engine, uploads, strategies, wanted):
        progress((len(found[0].tagged), len(uploads)), unit="documents")
        if time.monotonic() >= due:
            yield [report(), gr.skip()]
            due = time.monotonic() + UPDATE_S
    if not wanted():
        yield [alert(CANCELLED) + tables() if found else alert(CANCELLED_EARLY) + advice, gr.skip()]
        return
    # Gradio copies the file at the yield; ours is deleted after it.
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / ZIP
        write_zip(found, types, engine, archive)
        yield [report(), gr.update(value=str(archive), visible=True)]


def sample_file() -> Iterator[list[str]]:
    """Yields a copy of the sample; Gradio copies it again at the yield."""
    with tempfile.TemporaryDirectory() as folder:
        yield [shutil.copy(SAMPLE, folder)]


def build(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
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
