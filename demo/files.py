"""The tab Your files: documents one by one, coloured; a table; CSV and PubTator."""

import csv
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import gradio as gr

from demo.api import entity_row
from demo.launch import KEEP_FILES_S, MAX_FILE_BYTES
from demo.links import PageState
from demo.markup import number_of, printable
from demo.run import tag_batch
from demo.settings import Selection, at_point, select_strategy
from demo.uploads import MAX_DOCUMENTS, Upload, read_files
from engine import Document, Engine, InputError
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
COLOURS = ("#1d4ed8", "#b91c1c", "#126862", "#9c3ea3", "#592222", "#382259")  # of types, as in the style sheet
_FORMULA = tuple("=+-@\t\r")  # how cells begin that a spreadsheet computes


@dataclass(frozen=True)
class Tagged:
    """A document with what was found in it, in place of its annotations."""

    file: str
    document: Document

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """Its entities in the order of ``COLUMNS``."""
        return [
            (printable(self.file), printable(self.document.id), *entity_row(entity))
            for entity in self.document.entities
        ]

    @property
    def coloured(self) -> list[tuple[str, str | None]]:
        """Its text in parts, each with the type of its entity, as `gr.HighlightedText` shows it."""
        parts: list[tuple[str, str | None]] = []
        at, text = 0, printable(self.document.text)
        for entity in sorted(self.document.entities, key=lambda entity: entity.start):
            if entity.start >= at:
                parts += [(text[at : entity.start], None), (text[entity.start : entity.end], entity.type)]
                at = entity.end
        return [*parts, (text[at:], None)]


def tag_uploads(engine: Engine, uploads: Sequence[Upload], chosen: Selection) -> Iterator[list[Tagged]]:
    """Yields the documents of each call."""
    for start in range(0, len(uploads), CHUNK):
        part = uploads[start : start + CHUNK]
        results = tag_batch(engine, [upload.document.text for upload in part], chosen.strategy, batch_size=CHUNK)
        yield [
            Tagged(upload.file, replace(upload.document, entities=result.entities))
            for upload, result in zip(part, results, strict=True)
        ]


def write_csv(tagged: Sequence[Tagged], path: Path) -> None:
    """Writes all entities for spreadsheets: with a byte-order mark, and without cells that these would compute."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for doc in tagged:
            for row in doc.rows:
                writer.writerow([f"'{cell}" if str(cell).startswith(_FORMULA) else cell for cell in row])


def write_other(tagged: Sequence[Tagged], path: Path) -> None:
    text = "".join(WRITERS[OTHER].write(doc.document for doc in tagged))
    path.write_text(text, encoding="utf-8", errors="replace", newline="")


def build_files(
    engines: Mapping[str, Engine],
    engine: Engine,
    inputs: Sequence[Any],
    page_of: Callable[..., PageState],
    finds: Callable[[Engine], str],
) -> None:
    """Builds the tab; the strategy and its settings are those of the page, or another model's default strategy."""
    gr.Markdown(ABOUT)
    upload = gr.File(label="Files", file_count="multiple", height=140)
    names = {finds(other): other for other in engines.values()}
    model = gr.Radio(list(names), value=finds(engine), label="Find", visible=len(names) > 1)
    with gr.Row():
        sample = gr.Button("Use the sample", min_width=120)
        again = gr.Button("Tag again", min_width=120)
        cancel = gr.Button("Cancel", min_width=80)
    said = gr.Textbox(label="Result", interactive=False, visible=False, lines=1, max_lines=12, elem_classes="said")
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
            chosen = selection_for(engine, by, page)
        except InputError as error:
            raise gr.Error(str(error), print_exception=False) from error
        uploads, problems = read_files(paths or [])
        done: list[Tagged] = []
        for part in tag_uploads(by, uploads, chosen):
            done += part
            progress((len(done), len(uploads)), unit="documents")
        count = sum(len(doc.document.entities) for doc in done)
        line = f"{number_of(count, 'entity', 'entities')} in {number_of(len(done), 'document')}, by {chosen.title}."
        more = f" The table shows the first {LISTED:,}; the files have them all." if count > LISTED else ""
        report = "\n".join([line + more, *problems])
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
            rows = list(islice((row for doc in done for row in doc.rows), LISTED))
            yield [
                gr.update(value=report, visible=True),
                done,
                *(gr.update(value=str(path), visible=True) for path in files),
                gr.update(choices=choices, value=0, visible=True),
                gr.update(value=done[0].coloured, visible=True),
                gr.update(value=rows, visible=bool(rows)),
            ]

    outputs = [said, tagged, as_csv, other, document, text, table]
    loaded = sample.click(lambda: [str(SAMPLE)], None, upload, api_visibility="private")
    started = [
        start(
            on_run,
            [upload, model, *inputs],
            outputs,
            trigger_mode="always_last",
            concurrency_id="files",
            concurrency_limit=1,
            show_progress_on=said,
            api_visibility="private",
        )
        for start in (upload.upload, model.input, again.click, loaded.success)
    ]
    cancel.click(None, cancels=started, api_visibility="private")
    document.input(
        lambda all, index: all[index].coloured,
        [tagged, document],
        text,
        show_progress="hidden",
        api_visibility="private",
    )


def selection_for(of_page: Engine, by: Engine, page: PageState) -> Selection:
    """The strategy of the page for files; with another page's model, its default strategy."""
    if by is of_page:
        return select_strategy(of_page, page.shown, page.point or None, page.trigger or None, *page.values)
    return Selection(default := at_point(by, by.default_strategy, None), default)
