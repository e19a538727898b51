"""The tab Your files: documents one by one, coloured; a table; CSV and PubTator."""

import csv
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import gradio as gr

from demo.api import entity_row
from demo.launch import KEEP_FILES_S, MAX_FILE_BYTES, PRIVATE
from demo.links import PageState, finds, page_of
from demo.markup import number_of, printable
from demo.run import tag_batch
from demo.settings import Selection, at_point
from demo.uploads import MAX_DOCUMENTS, Upload, read_files
from engine import Engine, InputError
from engine.formats import WRITERS

SAMPLE = Path(__file__).resolve().parents[1] / "eval" / "sample" / "sample.pubtator.txt"
ABOUT = (
    "PubTator, BioC, CoNLL, JSON lines, PubMed XML, MEDLINE, CSV or TSV with `text` or `title` and `abstract`, or "
    f"plain text. At most {MAX_FILE_BYTES // 2**20} MB a file and {MAX_DOCUMENTS} documents; deleted after at most "
    f"{2 * KEEP_FILES_S // 60} minutes. The sample: 30 abstracts that come with the project."
)
CHUNK = 8  # documents a call
COLUMNS = ("file", "id", "start", "end", "type", "text", "score")
LISTED = 1000  # entities in the table
OTHER = "pubtator"
RUN = PRIVATE | {"trigger_mode": "always_last", "concurrency_id": "files", "concurrency_limit": 1}
COLOURS = ("#1d4ed8", "#b91c1c", "#126862", "#9c3ea3", "#592222", "#382259")  # of types, as in the style sheet
_FORMULA = tuple("=+-@\t\r")  # how cells begin that a spreadsheet computes


def rows(upload: Upload) -> list[tuple[Any, ...]]:
    """The entities of a document in the order of ``COLUMNS``."""
    file, document = printable(upload.file), upload.document
    return [(file, printable(document.id), *entity_row(entity)) for entity in document.entities]


def coloured(upload: Upload) -> list[tuple[str, str | None]]:
    """The text of a document in parts, each with the type of its entity, as `gr.HighlightedText` shows it."""
    parts: list[tuple[str, str | None]] = []
    at, text = 0, printable(upload.document.text)
    for entity in sorted(upload.document.entities, key=lambda entity: entity.start):
        if entity.start >= at:
            parts += [(text[at : entity.start], None), (text[entity.start : entity.end], entity.type)]
            at = entity.end
    return [*parts, (text[at:], None)]


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


def write_csv(tagged: Sequence[Upload], path: Path) -> None:
    """Writes all entities for spreadsheets: with a byte-order mark, and without cells that these would compute."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for doc in tagged:
            for row in rows(doc):
                writer.writerow([f"'{cell}" if str(cell).startswith(_FORMULA) else cell for cell in row])


def write_other(tagged: Sequence[Upload], path: Path) -> None:
    text = "".join(WRITERS[OTHER].write(doc.document for doc in tagged))
    path.write_text(text, encoding="utf-8", errors="replace", newline="")


def build_files(engines: Mapping[str, Engine], engine: Engine, inputs: Sequence[Any]) -> None:
    """Builds the tab; the strategy and its settings are those of the page, or another model's default strategy."""
    gr.Markdown(ABOUT)
    upload = gr.File(label="Files", file_count="multiple", height=140)
    names = {finds(other): other for other in engines.values()}
    model = gr.Radio(list(names), value=finds(engine), label="Find", visible=len(names) > 1)
    with gr.Row():
        sample = gr.Button("Use the sample", min_width=120)
        again = gr.Button("Tag again", min_width=120)
        cancel = gr.Button("Cancel", min_width=80)
    report = gr.Textbox(label="Result", interactive=False, visible=False, lines=1, max_lines=12)
    with gr.Row():
        as_csv = gr.DownloadButton("Download CSV", visible=False)
        other = gr.DownloadButton("Download PubTator", visible=False)
    tagged = gr.State([], time_to_live=KEEP_FILES_S)
    document = gr.Dropdown([], label="Document", visible=False, filterable=False)
    colours = dict(zip(engine.labels.types, COLOURS, strict=False))
    text = gr.HighlightedText(label="Entities in the document", visible=False, show_legend=True, color_map=colours)
    table = gr.Dataframe(headers=list(COLUMNS), label="Entities", visible=False, interactive=False, wrap=True)

    def on_run(
        paths: list[str] | None,
        found: str,
        *values: Any,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[list[Any]]:
        page, by = page_of(*values), names[found]
        try:
            selection = selection_for(engine, by, page)
        except InputError as error:
            raise gr.Error(str(error), print_exception=False) from error
        uploads, problems = read_files(paths or [])
        done: list[Upload] = []
        for part in tag_uploads(by, uploads, selection):
            done += part
            progress((len(done), len(uploads)), unit="documents")
        count = sum(len(doc.document.entities) for doc in done)
        line = f"{number_of(count, 'entity', 'entities')} in {number_of(len(done), 'document')}, by {selection.title}."
        more = f" The table shows the first {LISTED:,}; the files have them all." if count > LISTED else ""
        if not done:
            nothing = (
                "The files contain no documents." if paths else "There is no file yet: upload one, or use the sample."
            )
            yield [gr.update(value="\n".join(problems) or nothing, visible=True), [], *[gr.update(visible=False)] * 5]
            return
        with tempfile.TemporaryDirectory() as folder:  # Gradio copies the files at the yield
            files = [Path(folder) / "entities.csv", Path(folder) / "tagged.pubtator.txt"]
            write_csv(done, files[0])
            write_other(done, files[1])
            choices = [(printable(f"{doc.document.id} ({doc.file})")[:120], index) for index, doc in enumerate(done)]
            listed = list(islice((row for doc in done for row in rows(doc)), LISTED))
            yield [
                gr.update(value="\n".join([line + more, *problems]), visible=True),
                done,
                *(gr.update(value=str(path), visible=True) for path in files),
                gr.update(choices=choices, value=0, visible=True),
                gr.update(value=coloured(done[0]), visible=True),
                gr.update(value=listed, visible=bool(listed)),
            ]

    outputs = [report, tagged, as_csv, other, document, text, table]
    loaded = sample.click(lambda: [str(SAMPLE)], None, upload, **PRIVATE)
    started = [
        start(on_run, [upload, model, *inputs], outputs, show_progress_on=report, **RUN)
        for start in (upload.upload, model.input, again.click, loaded.success)
    ]
    cancel.click(None, cancels=started, **PRIVATE)
    document.input(lambda all, index: coloured(all[index]), [tagged, document], text, show_progress="hidden", **PRIVATE)


def selection_for(engine: Engine, by: Engine, page: PageState) -> Selection:
    """The strategy of the page for files; with another page's model, its default strategy."""
    if by is engine:
        return page.selection(engine, page.shown)
    return Selection(default := at_point(by, by.default_strategy, None), default)
