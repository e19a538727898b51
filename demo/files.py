"""The tab Your files: documents one by one, coloured; a table; CSV and PubTator."""

import csv
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from demo.api import entity_row
from demo.controls import Controls
from demo.launch import KEEP_FILES_S, MAX_FILE_BYTES, PRIVATE
from demo.links import PageState, finds
from demo.markup import escape, number_of, printable
from demo.run import tag_batch
from demo.settings import Selection, at_point
from demo.uploads import MAX_DOCUMENTS, Upload, read_files
from engine import Engine, InputError
from engine.formats import WRITERS
from engine.models.shipped import short_name

SAMPLE = Path(__file__).resolve().parents[1] / "eval" / "sample" / "sample.pubtator.txt"
ABOUT = (
    "PubTator, BioC, CoNLL, JSON lines, PubMed XML, MEDLINE, CSV or TSV with `text` or `title` and `abstract`, or "
    f"plain text. At most {MAX_FILE_BYTES // 2**20} MB a file and {MAX_DOCUMENTS} documents; deleted after at most "
    f"{2 * KEEP_FILES_S // 60} minutes. The sample: 30 abstracts that come with the project."
)
CHUNK = 8  # documents a call
COLUMNS = ("file", "id", "start", "end", "type", "text", "score", "model", "strategy")
OTHER = "pubtator"
RUN = PRIVATE | {"trigger_mode": "always_last", "concurrency_id": "files", "concurrency_limit": 1}
_FORMULA = tuple("=+-@\t\r")  # how cells begin that a spreadsheet computes


def coloured(upload: Upload, types: Sequence[str]) -> str:
    """A document as markup: its entities have the colours that the page gives these types."""
    parts, at, text = [], 0, upload.document.text
    for entity in sorted(upload.document.entities, key=lambda entity: entity.start):
        if entity.start >= at:
            colour = f"--colour: var(--type-{types.index(entity.type) % 6})"
            shown = f'<b class="entity" data-type="{escape(entity.type)}" style="{colour}">'
            parts += [escape(text[at : entity.start]), shown, escape(text[entity.start : entity.end]), "</b>"]
            at = entity.end
    return f'<div class="view"><div class="words document">{"".join(parts)}{escape(text[at:])}</div></div>'


def tag_uploads(engine: Engine, uploads: Sequence[Upload], selection: Selection) -> Iterator[list[Upload]]:
    """Yields the documents of each call, with what was found in place of their annotations."""
    for start in range(0, len(uploads), CHUNK):
        part = uploads[start : start + CHUNK]
        texts, breaks = [upload.document.text for upload in part], [upload.document.breaks for upload in part]
        results = tag_batch(engine, texts, selection.strategy, batch_size=CHUNK, breaks=breaks)
        yield [
            replace(upload, document=replace(upload.document, entities=result.entities))
            for upload, result in zip(part, results, strict=True)
        ]


def write_csv(tagged: Sequence[Upload], path: Path, model: str, strategy: str) -> None:
    """Writes all entities for spreadsheets: with a byte-order mark, and without cells that these would compute."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for doc in tagged:
            for entity in doc.document.entities:
                cells = (printable(doc.file), printable(doc.document.id), *entity_row(entity), model, strategy)
                writer.writerow([f"'{cell}" if str(cell).startswith(_FORMULA) else cell for cell in cells])


def write_other(tagged: Sequence[Upload], path: Path) -> None:
    text = "".join(WRITERS[OTHER].write(doc.document for doc in tagged))
    path.write_text(text, encoding="utf-8", errors="replace", newline="")


def counted(tagged: Sequence[Upload], selection: Selection) -> str:
    """What was found in how many documents, in a line."""
    count, without = sum(len(doc.document.entities) for doc in tagged), sum(not doc.document.entities for doc in tagged)
    line = f"{number_of(count, 'entity', 'entities')} in {number_of(len(tagged), 'document')}"
    return line + f", {without:,} without entities" * bool(without) + f", by {selection.title}."


def build_files(engines: Mapping[str, Engine], engine: Engine, controls: Controls) -> None:
    """Builds the tab; the strategy and its settings are those of the page, or another model's default strategy."""
    upload = gr.File(label="Files", file_count="multiple", height=140)
    names = {finds(other): other for other in engines.values()}
    model = gr.Radio(list(names), value=finds(engine), label="Find", visible=len(names) > 1)
    with gr.Row(elem_classes="bar"):
        sample = gr.Button("Use the sample")
        again = gr.Button("Tag again", visible=False)
        cancel = gr.Button("Cancel", visible=False)
        as_csv = gr.DownloadButton("Download CSV", variant="primary", visible=False)
        other = gr.DownloadButton("Download PubTator", visible=False)
    gr.Markdown(ABOUT, elem_classes="note")
    report = gr.Textbox(label="Result", interactive=False, visible=False, lines=1, max_lines=12)
    tagged = gr.State([], time_to_live=KEEP_FILES_S)
    document = gr.Dropdown([], label="Document", visible=False, filterable=False)
    text = gr.HTML(visible=False)
    found = [again, as_csv, other, document, text]

    def on_run(values: dict[Any, Any], progress: gr.Progress = gr.Progress()) -> Iterator[dict[Any, Any]]:  # noqa: B008
        page, by = controls.read(values), names[values[model]]
        try:
            selection = selection_for(engine, by, page)
        except InputError as error:
            raise gr.Error(str(error), print_exception=False) from error
        uploads, problems = read_files(values[upload] or [])
        hidden = {part: gr.update(visible=False) for part in found}
        if not uploads:
            said = "\n".join(problems) or "There is no document yet: upload a file, or use the sample."
            yield hidden | {report: gr.update(value=said, visible=True), tagged: []}
            return
        yield {cancel: gr.update(visible=True)}
        done: list[Upload] = []
        for part in tag_uploads(by, uploads, selection):
            done += part
            progress((len(done), len(uploads)), unit="documents")
        with tempfile.TemporaryDirectory() as folder:  # Gradio copies the files at the yield
            files = {as_csv: Path(folder) / "entities.csv", other: Path(folder) / "tagged.pubtator.txt"}
            write_csv(done, files[as_csv], printable(short_name(by.source)), selection.strategy.title)
            write_other(done, files[other])
            choices = [(printable(f"{doc.document.id} ({doc.file})")[:120], index) for index, doc in enumerate(done)]
            yield {
                report: gr.update(value="\n".join([counted(done, selection), *problems]), visible=True),
                tagged: done,
                **{part: gr.update(value=str(path), visible=True) for part, path in files.items()},
                document: gr.update(choices=choices, value=0, visible=True),
                text: gr.update(value=coloured(done[0], by.labels.types), visible=True),
                again: gr.update(visible=True),
                cancel: gr.update(visible=False),
            }

    def on_document(values: dict[Any, Any]) -> str:
        return coloured(values[tagged][values[document]], names[values[model]].labels.types)

    loaded = sample.click(lambda: [str(SAMPLE)], None, upload, **PRIVATE)
    inputs, outputs = controls.inputs | {upload, model}, [*found, report, tagged, cancel]
    started = [
        start(on_run, inputs, outputs, show_progress_on=report, **RUN)
        for start in (upload.upload, model.input, again.click, loaded.success)
    ]
    stopped = [gr.update(visible=False), gr.update(visible=True)]
    cancel.click(lambda: stopped, None, [cancel, again], cancels=started, **PRIVATE)
    document.input(on_document, {tagged, document, model}, text, show_progress="hidden", **PRIVATE)


def selection_for(engine: Engine, by: Engine, page: PageState) -> Selection:
    """The strategy of the page for files; with another page's model, its default strategy."""
    if by is engine:
        return page.selection(engine, page.shown)
    return Selection(default := at_point(by, by.default_strategy, None), default)
