"""The tab Batch: takes a file of documents, gives tables and files of the entities that each strategy found."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from demo.html.escape import alert, note
from demo.limits import (
    KEEP_FILES_S,
    MAX_CHARACTERS,
    MAX_DOCUMENTS,
    MAX_FILE_BYTES,
    MODEL_WORK,
    check_strategies,
)
from demo.page.inputs import QUIET, Inputs
from demo.results.wording import printable
from demo.settings import chosen_strategies
from demo.uploads import Problems, read_upload
from engine import Document, Engine, InputError, Strategy
from engine.data.formats import write_jsonl, write_pubtator
from engine.text.scoring import Counts, count_documents

LABEL = "Batch"
CHUNK = 8  # documents of a call; the page is updated after each
LISTED_ENTITIES = 1000
WRITERS = {"jsonl": write_jsonl, "pubtator.txt": write_pubtator}
ABOUT = f"""
Tags every document of a PubTator, JSON Lines or plain-text file (UTF-8, up to {MAX_FILE_BYTES // 10**6} MB and
{MAX_DOCUMENTS} documents of {MAX_CHARACTERS:,} characters) with the strategies and settings chosen above. Entities
in the file count as gold. The server deletes your files after at most {2 * KEEP_FILES_S // 60} minutes.
"""


@dataclass(frozen=True)
class Tagged:
    """A document with the entities that a strategy found, and their cost."""

    document: Document
    token_layers: int
    dense_token_layers: int
    milliseconds: float


def read_batch(path: str) -> tuple[list[Document], Problems]:
    """The documents of a file, and what is wrong with those that are left out.

    Raises:
        InputError: the file no longer exists or is too large.
    """
    problems = Problems()
    read = read_upload(Path(path), MAX_FILE_BYTES, problems)
    documents = []
    for document in islice(read, MAX_DOCUMENTS):
        if len(document.text) > MAX_CHARACTERS:
            problems.add(
                f"document {document.id}: expected at most {MAX_CHARACTERS:,} characters, got {len(document.text):,}; "
                "split it"
            )
        else:
            documents.append(document)
    if next(read, None) is not None:
        problems.add(f"expected at most {MAX_DOCUMENTS} documents, got more; the rest are left out")
    return documents, problems


def tag_documents(
    engine: Engine, documents: Sequence[Document], strategies: Sequence[Strategy]
) -> Iterator[dict[str, list[Tagged]]]:
    """What each strategy found in the documents so far, after every ``CHUNK`` of them."""
    tagged: dict[str, list[Tagged]] = {strategy.name: [] for strategy in strategies}
    for start in range(0, len(documents), CHUNK):
        part = documents[start : start + CHUNK]
        for strategy in strategies:
            results = engine.tag_batch([document.text for document in part], strategy, batch_size=CHUNK)
            tagged[strategy.name] += [
                Tagged(
                    replace(document, entities=result.entities),
                    result.cost.token_layers,
                    result.cost.dense_token_layers,
                    result.latency.total_ms / result.latency.texts,
                )
                for document, result in zip(part, results, strict=True)
            ]
        yield tagged


def gold_types(documents: Sequence[Document]) -> list[str]:
    """The types of the entities in the file; only these are scored."""
    return sorted({entity.type for document in documents for entity in document.entities})


def summary(documents: Sequence[Document], tagged: dict[str, list[Tagged]]) -> pd.DataFrame:
    """A row for each strategy over the documents tagged so far, with F1, precision and recall if there is gold."""
    types = gold_types(documents)
    rows = []
    for name, found in tagged.items():
        dense = sum(one.dense_token_layers for one in found)
        row: dict[str, Any] = {
            "strategy": name,
            "documents": len(found),
            "entities": sum(len(one.document.entities) for one in found),
            "token-layers kept": f"{sum(one.token_layers for one in found) / dense:.1%}" if dense else "–",
            "ms per document": f"{sum(one.milliseconds for one in found) / max(1, len(found)):.1f}",
        }
        if types:
            counts = sum(
                count_documents(documents[: len(found)], [one.document.entities for one in found], types), Counts()
            )
            row |= {"F1": f"{counts.f1:.4f}", "P": f"{counts.precision:.4f}", "R": f"{counts.recall:.4f}"}
        rows.append(row)
    return pd.DataFrame(rows)


def entity_table(tagged: dict[str, list[Tagged]]) -> pd.DataFrame:
    """The first entities that were found, one a row."""
    rows = (
        (printable(one.document.id), name, e.start, e.end, e.type, printable(e.text), round(e.score, 4))
        for name, found in tagged.items()
        for one in found
        for e in one.document.entities
    )
    columns = ["document", "strategy", "start", "end", "type", "text", "score"]
    return pd.DataFrame(islice(rows, LISTED_ENTITIES), columns=columns)


def status(documents: Sequence[Document], tagged: dict[str, list[Tagged]], problems: Problems) -> str:
    """How many documents are tagged, how they were measured, and what was left out."""
    done = min((len(found) for found in tagged.values()), default=0)
    lines = [
        f"{done} of {len(documents)} documents tagged.",
        f"Times are from one pass in calls of {CHUNK} documents, a rough guide only; for figures use eval.report.",
    ]
    types = gold_types(documents)
    if types:
        unscored = sum(e.type not in types for found in tagged.values() for one in found for e in one.document.entities)
        lines.append(
            f"F1 counts exact spans of the types in the file ({', '.join(types)})"
            + (f"; {unscored} predictions of other types are not scored." if unscored else ".")
        )
    total = sum(len(one.document.entities) for found in tagged.values() for one in found)
    if total > LISTED_ENTITIES:
        lines.append(f"The table shows the first {LISTED_ENTITIES:,} of {total:,} entities; the files hold all.")
    page = note(" ".join(lines))
    if problems.count:
        stopped = " Reading stopped there." if problems.stopped else ""
        page += alert(f"Left out: {problems.count}.{stopped}")
        listed = [*problems.listed, *(["…"] if problems.count > len(problems.listed) else [])]
        page += "".join(map(note, listed))
    return page


def write_files(tagged: dict[str, list[Tagged]], folder: Path) -> list[str]:
    """Writes a file for each strategy and format into a folder, and gives their paths."""
    paths = []
    for name, found in tagged.items():
        for suffix, write in WRITERS.items():
            path = folder / f"tagged-{name.replace('+', '-')}.{suffix}"
            with path.open("w", encoding="utf-8", errors="replace") as file:
                file.writelines(write(one.document) for one in found)
            paths.append(str(path))
    return paths


def run_batch(
    engine: Engine,
    progress: gr.Progress,
    path: str | None,
    names: list[str],
    *settings: Any,
) -> Iterator[list[Any]]:
    """Updates of status, summary, entities and files; the files come last."""
    nothing = [gr.update(visible=False), gr.update(visible=False), gr.update(value=None, visible=False)]
    try:
        if path is None:
            raise InputError("There is no file yet: upload one.")
        strategies = chosen_strategies(engine, check_strategies(names), *settings)
        documents, problems = read_batch(path)
    except InputError as error:
        yield [alert(str(error)), *nothing]
        return
    tagged: dict[str, list[Tagged]] = {}
    for tagged in tag_documents(engine, documents, strategies):
        progress((len(tagged[strategies[0].name]), len(documents)), unit="documents")
        by_strategy = gr.update(value=summary(documents, tagged), visible=True)
        entities = gr.update(value=entity_table(tagged), visible=True)
        yield [status(documents, tagged, problems), by_strategy, entities, nothing[2]]
    if not tagged:
        yield [status(documents, tagged, problems), *nothing]
        return
    # Gradio copies the files at the yield; ours are deleted after it.
    with tempfile.TemporaryDirectory() as folder:
        yield [gr.skip(), gr.skip(), gr.skip(), gr.update(value=write_files(tagged, Path(folder)), visible=True)]


def build(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    """Builds the tab."""

    def on_run(
        path: str | None,
        names: list[str],
        *settings: Any,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[list[Any]]:
        yield from run_batch(engine, progress, path, names, *settings)

    gr.Markdown(ABOUT)
    upload = gr.File(label="PubTator, JSON Lines or plain text", file_types=["text", ".txt", ".jsonl", ".pubtator"])
    with gr.Row():
        run = gr.Button("Tag the file", variant="primary")
        cancel = gr.Button("Cancel")
    report = gr.HTML()
    table = gr.Dataframe(label="By strategy", interactive=False, visible=False, datatype="str")
    entities = gr.Dataframe(label="Entities", interactive=False, visible=False, datatype="str", max_height=400)
    files = gr.File(label="Downloads", file_count="multiple", interactive=False, visible=False)
    running = run.click(
        on_run,
        [upload, inputs.strategies, *inputs.settings],
        [report, table, entities, files],
        api_visibility="private",
        **MODEL_WORK,
    )
    cancelled = alert("Cancelled. The tables show the documents tagged until then.")
    cancel.click(None, cancels=[running], api_visibility="private").then(lambda: cancelled, None, report, **QUIET)
